"""A trace: calls that were made, line by line, and what each got. Its fields are data: none is ever renamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import Misconfigured
from agent.inert import inert
from agent.testing.fake_model.call import Call
from agent.testing.fake_model.script import Line, problems, same_prompt

FORMAT = 1
SUFFIX = ".trace.jsonl"
MOST_BYTES = 20_000_000
MOST_LINE_BYTES = 2_000_000
MOST_LINES = 10_000
HASH = r"^[0-9a-f]{64}$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Header(_Part):
    """The first line. What is not about answers is for whoever runs clients and workers beside the fake model."""

    cuelight_trace: int = FORMAT
    note: str = Field("", max_length=4_000)
    """What a person says of it."""
    asks: tuple[dict[str, Any], ...] = Field((), max_length=1_000)
    """Bodies of `POST /v1/responses`; all are sent at once."""
    ends: tuple[str, ...] = Field((), max_length=1_000)
    """How each of them ends: a response's status, or the code of its error."""
    workers: int = Field(2, ge=1, le=64)


class TraceLine(Line):
    """What one call got. It says which call strictly: by `request`, or by `prompt` and `attempt`."""

    fills: ClassVar[bool] = False

    request: str | None = Field(None, pattern=HASH)
    """The hash under which the question is on record, from the header `x-cuelight-request`."""
    times: int = Field(1, ge=1)
    """It is served so often, and no more."""
    after_calls: int | None = Field(None, ge=1, le=1_000)
    """It is answered once so many calls have come in, this one among them: they are under way together."""

    @model_validator(mode="after")
    def _is_strict(self) -> TraceLine:
        if self.request is None and (self.prompt is None or self.attempt is None):
            raise ValueError("a line of a trace says which call it is for: by `request`, or by `prompt` and `attempt`")
        return self

    def matches(self, call: Call) -> bool:
        return self.request in (None, call.request) and super().matches(call)

    def differs(self, call: Call) -> list[str]:
        """Why it is not for this call, each reason in a few words; the gravest first."""
        found = []
        if self.prompt is not None and not same_prompt(self.prompt, call.prompt):
            found.append(f"it is for the prompt {self.prompt}")
        if self.request not in (None, call.request):
            found.append(f"it is for the request {str(self.request)[:12]}")
        if self.attempt not in (None, call.attempt):
            found.append(f"it is for attempt {self.attempt}")
        if self.model not in (None, call.model):
            found.append(f"it is for the model {self.model}")
        if self.contains is not None and self.contains not in call.question:
            found.append("its words are not in the question")
        return found or ([] if self.matches(call) else ["its fault does not concern such a call"])


class When(_Part):
    """The call at which a process meets its fault: before its answer is sent, or after its last byte."""

    prompt: str
    attempt: int = Field(1, ge=1)
    model: str | None = None
    at: Literal["before_answer", "after_answer"] = "before_answer"

    def is_now(self, call: Call) -> bool:
        return (
            same_prompt(self.prompt, call.prompt) and self.attempt == call.attempt and self.model in (None, call.model)
        )


class ProcessFault(_Part):
    """Something that happens to a process or an engine; once. Its name is one of the fault machine's."""

    fault: str = Field(pattern=r"^[a-z_]{1,40}$")
    when: When
    seconds: float = Field(1.0, ge=0, le=60)
    """How long it lasts, if it is one that ends."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Lines and faults of processes, each with its number in the file; the header is line 1. Picklable."""

    header: Header = field(default_factory=Header)
    lines: tuple[tuple[int, TraceLine], ...] = ()
    faults: tuple[tuple[int, ProcessFault], ...] = ()

    @classmethod
    def of(cls, header: Header, rest: Iterable[TraceLine | ProcessFault]) -> Trace:
        """A trace of values, numbered as a file of them would be."""
        placed = list(enumerate(rest, start=2))
        lines = tuple((number, it) for number, it in placed if isinstance(it, TraceLine))
        return cls(header, lines, tuple((number, it) for number, it in placed if isinstance(it, ProcessFault)))

    @classmethod
    def parse(cls, text: bytes) -> Trace:
        """A trace from JSON lines; empty ones are passed over. Raises `Misconfigured` naming the line."""
        if len(text) > MOST_BYTES:
            raise Misconfigured(f"the trace has {len(text):,} bytes, and may have {MOST_BYTES:,}")
        placed = rows(text)
        header = _header(next(placed, None))
        lines: list[tuple[int, TraceLine]] = []
        faults: list[tuple[int, ProcessFault]] = []
        for number, value in placed:
            if len(lines) + len(faults) == MOST_LINES:
                raise Misconfigured(f"line {number}: a trace has at most {MOST_LINES:,} lines")
            if "when" in value:
                faults.append((number, _read(ProcessFault, number, value)))
            else:
                lines.append((number, _read(TraceLine, number, value)))
        return cls(header, tuple(lines), tuple(faults))

    @classmethod
    def load(cls, path: Path) -> Trace:
        """A trace from a file. Raises `Misconfigured`."""
        try:
            with path.open("rb") as file:
                return cls.parse(file.read(MOST_BYTES + 1))
        except OSError as error:
            raise Misconfigured(f"the trace {path} cannot be read: {error.strerror}") from error
        except Misconfigured as error:
            raise Misconfigured(f"{path}: {error}") from None

    def dumped(self) -> bytes:
        """The file."""
        placed = sorted((*self.lines, *self.faults), key=lambda it: it[0])
        header = {"cuelight_trace": FORMAT} | self.header.model_dump(mode="json", exclude_defaults=True)
        rest = [it.model_dump(mode="json", exclude_unset=True) for _, it in placed]
        return inert(b"".join(orjson.dumps(it, option=orjson.OPT_APPEND_NEWLINE) for it in (header, *rest)))


def rows(text: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of JSON lines, each with its number. Raises `Misconfigured` naming the line."""
    for number, row in enumerate(text.split(b"\n"), start=1):
        if len(row) > MOST_LINE_BYTES:
            raise Misconfigured(f"line {number} has {len(row):,} bytes, and may have {MOST_LINE_BYTES:,}")
        if row.strip():
            yield number, _object(number, row)


def _object(number: int, row: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(row)
    except orjson.JSONDecodeError as error:
        raise Misconfigured(f"line {number} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Misconfigured(f"line {number} is no JSON object, but {type(value).__name__}")
    return value


def _header(first: tuple[int, dict[str, Any]] | None) -> Header:
    if first is None or "cuelight_trace" not in first[1]:
        raise Misconfigured('a trace begins with a line such as {"cuelight_trace": 1}')
    number, value = first
    version = value["cuelight_trace"]
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise Misconfigured(f"line {number}: the trace has format {version!r}; this release reads up to {FORMAT}")
    return _read(Header, number, value)


T = TypeVar("T", Header, TraceLine, ProcessFault)


def _read(kind: type[T], number: int, value: dict[str, Any]) -> T:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise Misconfigured(f"line {number}: {problems(error)}") from None
