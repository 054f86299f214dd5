"""JSON Schemas that a client brings: compiled under limits, and used to check what a model wrote.

A schema is read as Draft 2020-12; `format` is asserted where the format is known. Nothing is fetched, patterns run in
linear time and are priced by their size, and both a schema and a value that would take long to check are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from agent.checks.schema_graph import SchemaGraph
from agent.checks.schema_walk import BadSchema
from agent.checks.telling import first_of, problem, short

__all__ = ["BadSchema", "JsonSchema", "compiled"]

MOST_BYTES = 131_072
"""Of a schema, as canonical JSON."""
MOST_KEPT = 16
"""Compiled schemas that are kept; the largest that the limits allow takes some 20 MB."""
MOST_WORK = 500_000
"""Subschemas applied while one value is checked."""
MOST_TOLD_WORK = 10_000
"""Above it only whether a value is right is found out, and not what is wrong: each problem costs far more."""
MOST_COPIED = 200_000
"""The same for values in what the problems hold: each keeps a copy of its value, about a microsecond for each in it."""
PATTERN_BYTES = (4_096, 16_384, 65_536, 262_144, 1_048_576)
"""Sizes of compiled patterns; the last is the largest that is taken. What one costs for a character grows with it."""
CACHE_BYTES = 524_288
"""Of what a pattern keeps while it is matched."""
WORK_PER_BYTE = 6e-5
"""A pattern that outgrows its cache reads each character so many times its size: measured, as subschemas applied.
Linear time alone is no bound: a pattern of a megabyte takes some 60 us for each character."""

_TOO_MUCH = "/: too large or too deeply nested to be checked against its schema; write something smaller"
_WRONG = "/: does not match its schema, and is too large to say where; write something smaller"


class JsonSchema:
    """A compiled schema. Raises `BadSchema` if built from text that is none, or is beyond the limits."""

    def __init__(self, text: str) -> None:
        if len(text.encode("utf-8", "replace")) > MOST_BYTES:
            raise BadSchema((), f"is larger than {MOST_BYTES} bytes")
        root = _read(text)
        if isinstance(root, bool):
            root = {} if root else {"not": {}}
        if not isinstance(root, dict):
            raise BadSchema((), "must be an object or a boolean")
        self._graph = SchemaGraph(root, _price)
        # What a schema calls itself matters only to references that name it; what it says of its draft, not at all.
        unsaid = ("$schema",) if self._graph.references.by_identifier else ("$schema", "$id")
        self._validator = _validator({key: value for key, value in root.items() if key not in unsaid})

    def problems(self, value: Any) -> list[str]:
        """What is wrong with a value, in words for a model, at most eight: `/path/to/it: what`. Empty if it is right.

        The value's own words are never quoted; the schema's are.
        """
        load = self._graph.load(value, MOST_WORK)
        if load.work > MOST_WORK:
            return [_TOO_MUCH]
        if self._validator.is_valid(value):
            return []
        if load.work > MOST_TOLD_WORK or load.copied > MOST_COPIED:
            return [_WRONG]
        try:
            return _told(self._validator.iter_errors(value))
        except ValueError:  # deeper than the library can tell of: more than 255 levels
            return [_WRONG]


@lru_cache(maxsize=MOST_KEPT)
def compiled(text: str) -> JsonSchema:
    """The schema of a canonical JSON text; the last ones are kept. Raises `BadSchema`."""
    return JsonSchema(text)


def _read(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadSchema((), f"is no JSON: {error}") from None


def _price(pattern: str) -> float:
    """What a pattern costs at most for a character, by the size that it can be compiled in."""
    return WORK_PER_BYTE * next((size for size in PATTERN_BYTES[:-1] if _fits(pattern, size)), PATTERN_BYTES[-1])


def _fits(pattern: str, size: int) -> bool:
    try:
        _compile({"pattern": pattern}, size)
    except jsonschema_rs.ValidationError:
        return False
    return True


def _compile(schema: dict[str, Any], size: int) -> jsonschema_rs.Validator:
    patterns = jsonschema_rs.RegexOptions(size_limit=size, dfa_size_limit=CACHE_BYTES)
    return jsonschema_rs.Draft202012Validator(
        schema, validate_formats=True, pattern_options=patterns, mask="it", offline=True
    )


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    try:
        return _compile(schema, PATTERN_BYTES[-1])
    except jsonschema_rs.ValidationError as error:
        raise BadSchema(tuple(error.instance_path), _reason(error)) from None


def _reason(error: jsonschema_rs.ValidationError) -> str:
    last = error.instance_path[-1:]
    if last == ["type"]:
        return "must be one of array, boolean, integer, null, number, object, string, or an array of these"
    if error.kind.name == "format":
        return "must be a regular expression of moderate size, without look-around and back-references"
    return short(error.message.removeprefix("it "))


def _told(errors: Iterator[jsonschema_rs.ValidationError]) -> list[str]:
    inner = map(_innermost, errors)
    return first_of([*dict.fromkeys(problem(error.instance_path, error.message) for error in inner)])


def _innermost(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """What is wrong inside the alternative that a value fits best; that none of them fits says little."""
    kinds = jsonschema_rs.ValidationErrorKind
    while isinstance(error.kind, kinds.AnyOf | kinds.OneOfNotValid):
        inner = [each for branch in error.kind.context for each in branch]
        deepest = max(inner, key=lambda each: len(each.instance_path), default=error)
        if len(deepest.instance_path) <= len(error.instance_path):
            return error
        error = deepest
    return error
