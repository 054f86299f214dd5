"""What a model says in a replay where it is asked something new: lines of a file, or words that were given.

A line is one of the fake model's script, or of a trace. A line with a `type` answers another kind of question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.effects import KINDS, Answer, AnyEffect, CallModel, CallTool, Effect, ModelAnswer
from agent.errors import Misconfigured
from agent.events import Usage
from agent.items import FunctionCall
from agent.testing.fake_model.recorded import FAULTS
from agent.testing.fake_model.script import Line, problems, same_prompt
from agent.testing.fake_model.trace import MOST_BYTES, MOST_LINES, TraceLine, rows
from agent.testing.faults import fault
from agent.testing.replies import says
from agent.testing.script import Said, Script

KINDS_OF_FAULTS = {told["kind"]: kind for kind, told in FAULTS.items()}
STOPS = frozenset({"refusal", "content_filter", "length"})


class OtherLine(BaseModel):
    """What is said to a question that is none to a model: `tool` narrows it to one tool. It is used once."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: str
    tool: str | None = None
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """A line and what it says, used `times` times; None: as often as it is asked for."""

    line: Line | OtherLine
    said: Said
    times: int | None


class Lines(Script):
    """A script whose lines say which questions they are for; the first that fits and is not used up is taken."""

    def __init__(self, lines: Iterable[Line | OtherLine] = ()) -> None:
        """Raises `Misconfigured` for a line that cannot be said."""
        super().__init__()
        self._placed = [_placed(line) for line in lines]
        self._used: Counter[int] = Counter()
        self._calls: Counter[str] = Counter()

    @classmethod
    def load(cls, path: Path | None, answers: Sequence[str] = ()) -> Lines:
        """The lines of a file, and before them words that are said once each, in order. Raises `Misconfigured`."""
        told: list[Line | OtherLine] = [Line(answer=words, times=1) for words in answers]
        return cls([*told, *(read(path) if path is not None else ())])

    @property
    def unused(self) -> int:
        """How many lines were for no question that was asked."""
        return len(self._placed) - len(self._used)

    def has(self, effect: AnyEffect) -> bool:
        """Whether there is a line for this question."""
        return self._find(effect) is not None

    async def __call__(self, effect: Effect[Answer], /) -> Answer:
        place = self._find(effect)
        assert place is not None  # noqa: S101  # it was asked for
        self._used[place] += 1
        said = self._placed[place].said
        if isinstance(said, Exception):
            raise said
        return cast(Answer, said)

    def count(self, effect: AnyEffect) -> None:
        """A question was asked, whoever answers it: lines may be for the nth call of a prompt."""
        if isinstance(effect, CallModel):
            self._calls[effect.prompt.partition("@")[0]] += 1

    def _find(self, effect: AnyEffect) -> int | None:
        for place, it in enumerate(self._placed):
            if (it.times is None or self._used[place] < it.times) and self._fits(it.line, effect):
                return place
        return None

    def _fits(self, line: Line | OtherLine, effect: AnyEffect) -> bool:
        if isinstance(line, OtherLine):
            is_its = not isinstance(effect, CallTool) or line.tool in (None, effect.tool)
            return effect.type == line.type and is_its
        return isinstance(effect, CallModel) and self._is_for(line, effect)

    def _is_for(self, line: Line, effect: CallModel) -> bool:
        name = effect.prompt.partition("@")[0]
        asked = [message.content for message in effect.messages if message.role == "user"]
        return (
            (line.prompt is None or same_prompt(line.prompt, effect.prompt))
            and line.attempt in (None, self._calls[name])
            and line.model in (None, effect.model)
            and (line.contains is None or (bool(asked) and line.contains in asked[-1]))
            and (not isinstance(line, TraceLine) or line.request in (None, effect.hash()))
        )


def read(path: Path) -> Iterator[Line | OtherLine]:
    """The lines of a file of JSON lines. Raises `Misconfigured` naming the line."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Misconfigured(f"the script {path} cannot be read: {error.strerror}") from error
    if len(text) > MOST_BYTES:
        raise Misconfigured(f"the script {path} may have {MOST_BYTES:,} bytes")
    try:
        found = [_line(number, value) for number, value in rows(text) if _says_something(value)]
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error}") from None
    if len(found) > MOST_LINES:
        raise Misconfigured(f"{path}: a script has at most {MOST_LINES:,} lines")
    yield from found


def _says_something(value: dict[str, Any]) -> bool:
    """A trace also has a header, faults of processes, and calls that nobody answers."""
    hangs = value.get("fault") in ("hang", {"kind": "hang"})
    return not hangs and not {"cuelight_trace", "when"} & value.keys()


def _line(number: int, value: dict[str, Any]) -> Line | OtherLine:
    kind = OtherLine if "type" in value else TraceLine if "request" in value else Line
    try:
        line = kind.model_validate(value)
        _placed(line)
    except ValidationError as error:
        raise Misconfigured(f"line {number}: {problems(error)}") from None
    except Misconfigured as error:
        raise Misconfigured(f"line {number}: {error}") from None
    return line


def _placed(line: Line | OtherLine) -> Placed:
    if isinstance(line, Line):
        return Placed(line, _said(line), line.times)
    if line.type not in KINDS or line.type == CallModel.type:
        others = ", ".join(it for it in KINDS if it != CallModel.type)
        raise Misconfigured(f"no such question is called {line.type!r}; there is {others}")
    try:
        return Placed(line, cast(Said, KINDS[line.type].answer_type.model_validate(line.answer)), 1)
    except ValidationError as error:
        raise Misconfigured(f"its answer is none to {line.type!r}: {problems(error)}") from None


def _said(line: Line) -> ModelAnswer | Exception:
    if line.fault is not None:
        return _fault(line)
    if line.obedient:
        raise Misconfigured("`obedient` is for the fake model; say the answer itself")
    text = (
        line.answer
        if isinstance(line.answer, str)
        else ""
        if line.answer is None
        else orjson.dumps(line.answer).decode()
    )
    wishes = tuple(
        FunctionCall(
            call_id=it.id or f"call_{number}",
            name=it.function.name,
            arguments=it.function.arguments
            if isinstance(it.function.arguments, str)
            else orjson.dumps(it.function.arguments).decode(),
        )
        for number, it in enumerate(line.tool_calls, start=1)
    )
    fields: dict[str, Any] = {"calls": wishes, "reasoning": line.reasoning or "", "usage": _usage(line)}
    reason = line.finish_reason or ("tool_calls" if wishes else "stop")
    try:
        return says(text, finish_reason=reason, **fields)
    except ValidationError as error:
        raise Misconfigured(problems(error)) from None


def _fault(line: Line) -> ModelAnswer | Exception:
    assert line.fault is not None  # noqa: S101  # the caller has looked
    wire = line.fault.kind
    name = wire if wire in STOPS else KINDS_OF_FAULTS.get(wire)
    if name is None:
        known = ", ".join(sorted({*KINDS_OF_FAULTS, *STOPS}))
        raise Misconfigured(f"the fault {wire!r} is one of the wire; a replay knows {known}")
    after = getattr(line.fault, "retry_after", None)
    if name == "rate_limited" and after is not None:
        return cast(Exception, fault(name, retry_after_s=float(after)))
    return fault(name)


def _usage(line: Line) -> Usage:
    if line.usage is None or line.usage == "none":
        return Usage()
    told = line.usage
    return Usage(input_tokens=told.input or 0, output_tokens=told.output or 0, cached_tokens=told.cached)
