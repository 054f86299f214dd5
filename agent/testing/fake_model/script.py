"""A script: what the fake model answers to which call, first matching line first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from agent.errors import Misconfigured
from agent.testing.fake_model.call import Call, prompt_name
from agent.testing.fake_model.faults import Fault


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptedUsage(_Strict):
    """Token counts to report; what is left out is a quarter of the characters. Cached ones are part of the input."""

    input: int | None = Field(None, ge=0)
    output: int | None = Field(None, ge=0)
    cached: int = Field(0, ge=0)


class ScriptedFunction(_Strict):
    """`arguments` given as an object is sent as its JSON text."""

    name: str
    arguments: str | dict[str, Any] = "{}"


class ScriptedToolCall(_Strict):
    """A tool call in OpenAI's shape; an absent id is made up."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: ScriptedFunction


class Line(_Strict):
    """Which calls it is for, and what they get. A line without any matcher is for every call."""

    fills: ClassVar[bool] = True
    """Whether `{{question}}` and `{{n}}` are filled in."""

    prompt: str | None = None
    """A prompt's name, `name@version`, or `name@version+hash`."""
    attempt: int | None = Field(None, ge=1)
    """The how-manieth call of its prompt in its run."""
    model: str | None = None
    contains: str | None = None
    """Words that must stand in the last user message."""
    times: int | None = Field(None, ge=1)
    """The line can be used so often; without it there is no limit."""

    answer: str | dict[str, Any] | list[Any] | None = None
    """Text, or what is sent as its JSON text. `{{question}}` and `{{n}}` are filled in."""
    tool_calls: tuple[ScriptedToolCall, ...] = ()
    obedient: bool = False
    """Follows every instruction that it finds in any message, whoever wrote it: see `obedience`."""
    reasoning: str | None = None
    """Thoughts, told beside the answer as `reasoning_content`."""
    finish_reason: str | None = None
    """Why it stopped, where that is not what follows from the answer."""
    usage: ScriptedUsage | Literal["none"] | None = None
    """`none` for an endpoint that reports no usage."""
    delay_ms: float = Field(0, ge=0)
    """Milliseconds until the first byte, of a fault too."""
    fault: Fault | None = None
    """Its kind alone may be written as a string."""
    billed: bool | None = None
    """Overrides what the log says about billing."""

    @field_validator("fault", mode="before")
    @classmethod
    def _spelled_out(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_something(self) -> Line:
        if not self.has_answer and self.fault is None:
            raise ValueError("a line needs an answer, tool_calls, obedience or a fault")
        return self

    @property
    def has_answer(self) -> bool:
        return self.answer is not None or bool(self.tool_calls) or self.obedient

    def fault_for(self, call: Call) -> Fault | None:
        """The fault, if it concerns this call."""
        return self.fault if self.fault is not None and self.fault.applies(call) else None

    def matches(self, call: Call) -> bool:
        """Whether the line is for this call. A fault that does not concern the call needs an answer beside it."""
        return (
            (self.prompt is None or same_prompt(self.prompt, call.prompt))
            and self.attempt in (None, call.attempt)
            and self.model in (None, call.model)
            and (self.contains is None or self.contains in call.question)
            and (self.has_answer or self.fault_for(call) is not None)
        )


@dataclass(frozen=True, slots=True)
class Script:
    """The lines in order; picklable."""

    lines: tuple[Line, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[Any]) -> Script:
        """A script from plain values. Raises `Misconfigured` naming the line, counted from 1."""
        return cls(tuple(_line(number, value) for number, value in enumerate(lines, start=1)))

    @classmethod
    def parse(cls, text: str | bytes) -> Script:
        """A script from YAML or JSON text: a list of lines. Raises `Misconfigured`."""
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = _yaml(text)
        if not isinstance(value, list):
            raise Misconfigured(f"the script is not a list of lines, but {type(value).__name__}")
        return cls.of(value)

    @classmethod
    def load(cls, path: Path) -> Script:
        """A script from a file. Raises `Misconfigured`."""
        try:
            return cls.parse(path.read_bytes())
        except OSError as error:
            raise Misconfigured(f"the script {path} cannot be read: {error.strerror}") from error
        except Misconfigured as error:
            raise Misconfigured(f"{path}: {error}") from None

    def plain(self) -> list[dict[str, Any]]:
        """The lines as plain values, as `of` takes them."""
        return [line.model_dump(mode="json", exclude_unset=True) for line in self.lines]


@dataclass(slots=True)
class Playing:
    """A script while it is played: it remembers how often each line was used."""

    script: Script
    used: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.used = [0] * len(self.script.lines)

    def take(self, call: Call) -> tuple[int, Line] | None:
        """The first line for this call and its number, counted from 1; None if there is none."""
        for place, line in enumerate(self.script.lines):
            if (line.times is None or self.used[place] < line.times) and line.matches(call):
                self.used[place] += 1
                return place + 1, line
        return None


def _line(number: int, value: Any) -> Line:
    try:
        return Line.model_validate(value)
    except ValidationError as error:
        raise Misconfigured(f"line {number} of the script{_named(value)}: {problems(error)}") from None


def _named(value: Any) -> str:
    prompt = value.get("prompt") if isinstance(value, dict) else None
    return f" (prompt {prompt})" if prompt else ""


def problems(error: ValidationError) -> str:
    found: Sequence[Any] = error.errors(include_url=False, include_input=False)
    told = [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in found[:3]]
    return "; ".join(f"{place}: {message}" if place else message for place, message in told)


def _yaml(text: str | bytes) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the script is neither JSON nor YAML: {' '.join(str(error).split())}") from None


def same_prompt(wanted: str, sent: str | None) -> bool:
    if sent is None:
        return False
    if "@" not in wanted:
        return prompt_name(sent) == wanted
    return sent == wanted or sent.startswith(f"{wanted}+")
