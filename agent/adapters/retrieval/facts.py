"""Attributes in the search index: one exact term for each value, and filters as queries over these terms."""

from __future__ import annotations

from collections.abc import Sequence

import tantivy
from tantivy import Occur, Query

from agent.adapters.retrieval.records import clean
from agent.filters import Attributes, Combine, Compare, Filter, Scalar, kind

FIELD = "facts"
MARK = "\x01"
"""Between an attribute's name, which cannot hold it, and its value."""


def term(key: str, value: Scalar) -> str:
    """The term of a value: two values have the same one if, and only if, they are equal."""
    written = clean(value) if isinstance(value, str) else repr(value if isinstance(value, bool) else float(value) + 0.0)
    return f"{key}{MARK}{kind(value)}{written}"


def terms(attributes: Attributes) -> list[str]:
    """The terms that a passage of a document with these attributes is found by."""
    return list(dict.fromkeys(term(key, value) for key, values in attributes.items() for value in values))


def query(wanted: Filter, searcher: tantivy.Searcher, schema: tantivy.Schema) -> Query:
    """Everything that meets the filter. It scores, so give it no weight."""
    if isinstance(wanted, Combine):
        occur = Occur.Must if wanted.type == "and" else Occur.Should
        return _all_of([(occur, query(inner, searcher, schema)) for inner in wanted.filters])
    found = Query.term_set_query(schema, FIELD, list(_terms(wanted, searcher)))
    return _all_of([(Occur.Must, Query.all_query()), (Occur.MustNot, found)]) if wanted.negative else found


def _all_of(clauses: Sequence[tuple[Occur, Query]]) -> Query:
    return Query.boolean_query(list(clauses))


def _terms(wanted: Compare, searcher: tantivy.Searcher) -> Sequence[str]:
    """The terms of the values that fit: those named, or those in the index that are in the right order to one."""
    if wanted.type in ("eq", "ne", "in", "nin"):
        return [term(wanted.key, value) for value in wanted.values]
    prefix = f"{wanted.key}{MARK}{kind(wanted.values[0])}"
    there = (found for found, _ in searcher.terms_with_prefix(FIELD, prefix))
    return [found for found in there if wanted.holds_for(_value(found[len(prefix) - 1 :]))]


def _value(written: str) -> Scalar:
    return float(written[1:]) if written[0] == "n" else written[1:]
