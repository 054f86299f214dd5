"""One collection's search index on the local disk: a copy of what the library holds, thrown away at the first doubt."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import tantivy
from tantivy import Occur, Query

from agent.adapters.retrieval import facts
from agent.adapters.retrieval.analyzer import document_terms, query_terms
from agent.adapters.retrieval.records import Change, State
from agent.events import Passage
from agent.filters import Attributes, Filter

FORMAT = 2
"""Goes up with every change of the analyzer or the fields: older indexes are then built anew."""
WRITER_BYTES = 30_000_000
PIECES_WEIGHT = 0.3
COMMON_SHARE = 0.2
"""Terms in more of the passages than this are left out where rarer ones exist: the stop words of any language."""
COMMON_FROM = 10_000
"""In smaller collections every term is searched. Measured with 50,000 passages in the way, leaving the common ones out
costs 0.002 nDCG@10 and saves 40 % of the time; with 5,000 it costs as much and saves 0.05 ms."""
MOST_TERMS = 64
"""The rarest ones are searched: a pasted page is a query too."""


class Damaged(Exception):
    """The index on the disk cannot be used; a new one takes its place."""


@contextmanager
def _engine() -> Iterator[None]:
    """tantivy says `ValueError` for what it notices, and panics, past `Exception`, over what it does not."""
    try:
        yield
    except ValueError as error:
        raise Damaged(str(error)) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise Damaged(str(error)) from error
        raise


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What searches see: an open reader and the state of the collection that it shows."""

    state: State
    searcher: tantivy.Searcher


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("pieces", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field(facts.FIELD, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("passage", stored=True, indexed=False)
    return builder.build()


SCHEMA = _schema()


class LocalIndex:
    """Blocking: call it in a thread. One writer at a time; searching is safe meanwhile and sees whole versions only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._marker = folder / "state.json"
        self._index: tantivy.Index | None = None
        self.snapshot: Snapshot | None = None

    def open(self) -> None:
        """Show what an earlier process left here, if it is whole; else nothing. Raises `OSError`."""
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError, Damaged), _engine():
            marker = orjson.loads(self._marker.read_bytes())
            if marker["format"] == FORMAT:
                self._index = tantivy.Index.open(str(self.folder))
                self.snapshot = Snapshot(State(**marker["state"]), self._index.searcher())

    def discard(self) -> None:
        """Forget everything, on the disk too. Readers that are open keep what they have. Raises `OSError`."""
        self.snapshot = None
        self._index = None
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)

    def apply(self, changes: Iterable[Change]) -> None:
        """Write changes; searches do not see them before `show`. Applying one twice is harmless. Raises `Damaged`."""
        with _engine():
            # Not held longer than this: a writer keeps threads and a lock.
            writer = self._opened().writer(WRITER_BYTES, num_threads=1)
            for change in changes:
                writer.delete_documents_by_term("id", change.passage_id)
                if change.passage is not None:
                    writer.add_document(_document(change.passage, change.attributes))
            writer.commit()
            writer.wait_merging_threads()

    def show(self, state: State) -> None:
        """From now on searches see what was applied, as `state`. Raises `Damaged`, `OSError`."""
        with _engine():
            index = self._opened()
            index.reload()
            snapshot = Snapshot(state, index.searcher())
        self._remember(state)
        self.snapshot = snapshot

    def _opened(self) -> tantivy.Index:
        if self._index is None:
            self._index = tantivy.Index(SCHEMA, str(self.folder), reuse=True)
        return self._index

    def _remember(self, state: State) -> None:
        """After the commit, in one step: a crash between the two repeats changes, and that is harmless."""
        written = self._marker.with_suffix(".new")
        written.write_bytes(orjson.dumps({"format": FORMAT, "state": asdict(state)}))
        written.replace(self._marker)


def _document(passage: Passage, attributes: Attributes) -> tantivy.Document:
    terms = document_terms(f"{passage.title}\n{passage.text}")
    document = tantivy.Document(id=passage.id, words=" ".join(terms.words), pieces=" ".join(terms.pieces))
    for fact in facts.terms(attributes):
        document.add_text(facts.FIELD, fact)
    document.add_bytes("passage", passage.model_dump_json(exclude={"label", "score"}).encode())
    return document


def search(searcher: tantivy.Searcher, query: str, limit: int, where: Filter | None = None) -> Sequence[Passage]:
    """The best `limit` passages of documents that meet `where`, best first, labelled `p1`, `p2`, ... by rank.

    Raises `Damaged`.
    """
    terms = query_terms(query)
    with _engine():
        clauses = _clauses(searcher, "words", terms.words, 1.0)
        clauses += _clauses(searcher, "pieces", terms.pieces, PIECES_WEIGHT)
        if not clauses or limit < 1:
            return ()
        wanted = _narrowed(searcher, Query.boolean_query(clauses), where)
        hits = searcher.search(wanted, limit, count=False).hits
        found = [(score, orjson.loads(searcher.doc(place)["passage"][0])) for score, place in hits]
    # Equal scores are ordered by id: workers built their indexes in different orders.
    found.sort(key=lambda hit: (-round(hit[0], 4), hit[1]["id"]))
    return [Passage(label=f"p{rank}", score=score, **fields) for rank, (score, fields) in enumerate(found, 1)]


def _narrowed(searcher: tantivy.Searcher, wanted: Query, where: Filter | None) -> Query:
    """What is wanted, of documents that meet a condition; how well a passage fits stays as it was."""
    if where is None:
        return wanted
    condition = Query.const_score_query(facts.query(where, searcher, SCHEMA), 0.0)
    return Query.boolean_query([(Occur.Must, wanted), (Occur.Must, condition)])


def _clauses(searcher: tantivy.Searcher, field: str, terms: Sequence[str], weight: float) -> list[tuple[Occur, Query]]:
    queries = (Query.term_query(SCHEMA, field, term, index_option="freq") for term in _telling(searcher, field, terms))
    return [(Occur.Should, query if weight == 1 else Query.boost_query(query, weight)) for query in queries]


def _telling(searcher: tantivy.Searcher, field: str, terms: Sequence[str]) -> list[str]:
    """The terms worth searching for, rarest first."""
    seen = {term: searcher.doc_freq(field, term) for term in terms}
    known = sorted((term for term in terms if seen[term]), key=lambda term: seen[term])
    passages = searcher.num_docs
    if passages >= COMMON_FROM:
        known = [term for term in known if seen[term] <= COMMON_SHARE * passages] or known
    return known[:MOST_TERMS]
