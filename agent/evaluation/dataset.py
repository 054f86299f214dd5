"""Data sets: questions with what is expected of their answers, one JSON object on a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from agent.checks.json_schema import BadSchema, compiled
from agent.checks.parsing import is_deeper

FORMAT = 1
MOST_BYTES = 20_000_000
MOST_LINES = 10_000
MOST_LINE_BYTES = 1_000_000
MOST_LEVELS = 100
MOST_PROBLEMS = 10
"""Lines that are wrong and are told at once."""

OURS = frozenset({"input", "model", "background", "stream", "stream_options", "store", "previous_response_id"})
"""Fields of a request that are the evaluation's, or that would tie a line to another run."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1, max_length=256)]
Id = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,198}[!-~])?$")]


class BadDataset(ValueError):
    """The file is no data set. Each of `problems` names its line."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Expected(Part):
    """What is expected of an answer. Whatever is given is scored, and nothing else.

    `exact`: this text, or one of these, or this JSON object. `contains` and `lacks`: texts that stand in the answer,
    or do not. `matches`, written `schema`: a JSON Schema. `citations`: the documents that are cited. `no_answer`:
    whether the passages hold no answer.
    """

    exact: Texts | dict[str, Any] | None = None
    contains: Texts | None = None
    lacks: Texts | None = None
    matches: dict[str, Any] | None = Field(None, alias="schema")
    citations: Texts | None = None
    no_answer: bool | None = None

    @field_validator("exact", "contains", "lacks", "citations", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("matches")
    @classmethod
    def _compiles(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            try:
                compiled(orjson.dumps(value).decode())
            except BadSchema as error:
                raise ValueError(f"it is no JSON Schema: {error}") from None
        return value


class Line(Part):
    """One question. `input` is what `POST /v1/responses` takes, and `request` are more fields for it."""

    id: Id
    input: Text | Annotated[list[dict[str, Any]], Field(min_length=1)]
    expected: Expected = Expected()
    request: dict[str, Any] = Field(default_factory=dict)
    metadata: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """For whoever reads the file."""

    @field_validator("request")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(OURS & value.keys()):
            raise ValueError(f"{taken[0]!r} is not a line's to say")
        return value

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that a score hangs on, in hex."""
        told = self.model_dump(mode="json", exclude={"metadata"}, exclude_defaults=True, by_alias=True)
        return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """The lines of a file, each with an id of its own. `places` are their numbers in the file, from 1."""

    name: str
    lines: Sequence[Line]
    places: Sequence[int]

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the digests of its lines, in their order, in hex. White space and metadata do not matter."""
        return sha256("\n".join(line.digest for line in self.lines).encode()).hexdigest()


def read(path: Path) -> Dataset:
    """The data set in a file. Raises `BadDataset`."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadDataset([f"{path} cannot be read: {error.strerror}"]) from error
    return loads(text, path.name)


def loads(text: bytes, name: str = "dataset") -> Dataset:
    """The data set in a text. The first line may be `{"cuelight_dataset": 1}`. Raises `BadDataset`."""
    if len(text) > MOST_BYTES:
        raise BadDataset([f"the file has more than {MOST_BYTES / 1e6:g} MB"])
    rows = [(place, row) for place, row in enumerate(text.split(b"\n"), start=1) if row.strip()]
    if rows and (version := _version(rows[0][1])) is not None:
        if version != FORMAT:
            raise BadDataset([f"line {rows[0][0]}: a data set of format {version!r}; this release reads {FORMAT}"])
        rows = rows[1:]
    if not 0 < len(rows) <= MOST_LINES:
        raise BadDataset([f"the file has {len(rows)} lines; from 1 to {MOST_LINES} are taken"])
    return _dataset(name, rows)


def _dataset(name: str, rows: Sequence[tuple[int, bytes]]) -> Dataset:
    found: dict[str, tuple[int, Line]] = {}
    problems = []
    for place, row in rows:
        line = _line(row)
        if isinstance(line, str):
            problems.append(f"line {place}: {line}")
        elif line.id in found:
            problems.append(f"line {place}: the id {line.id!r} is that of line {found[line.id][0]} already")
        else:
            found[line.id] = place, line
    if problems:
        raise BadDataset(list(first(problems)))
    return Dataset(name, [line for _, line in found.values()], [place for place, _ in found.values()])


def first(problems: Sequence[str]) -> Iterator[str]:
    """The first problems, and how many there are beside them."""
    yield from problems[:MOST_PROBLEMS]
    if len(problems) > MOST_PROBLEMS:
        yield f"and {len(problems) - MOST_PROBLEMS} lines more"


def _version(row: bytes) -> Any:
    """What the first line says of the format; None if it is a line like any other."""
    try:
        value = orjson.loads(row)
    except orjson.JSONDecodeError:
        return None
    return value.get("cuelight_dataset") if isinstance(value, dict) else None


def _line(row: bytes) -> Line | str:
    """A line, or what is wrong with it."""
    if len(row) > MOST_LINE_BYTES:
        return f"it has more than {MOST_LINE_BYTES / 1e6:g} MB"
    try:
        value = orjson.loads(row)
    except orjson.JSONDecodeError as error:
        return f"it is not JSON: {error}"
    if not isinstance(value, dict):
        return "it is JSON, but no object"
    if is_deeper(value, MOST_LEVELS):
        return f"it is nested deeper than {MOST_LEVELS} levels"
    try:
        return Line.model_validate(value)
    except ValidationError as error:
        return _problem(error)


_TAGS = re.compile(r"tuple\[.*|dict\[.*|list\[.*|constrained-str|function-.*")


def _problem(error: ValidationError) -> str:
    """Where it is and what is wrong, without the value."""
    one = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in one["loc"] if not _TAGS.match(str(part)))
    said = str(one["msg"]).removeprefix("Value error, ").replace("a valid tuple", "a text or a list of texts")
    return f"{place}: {said}" if place else said
