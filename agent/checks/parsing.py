"""From a model's words to a value, strictly. Nothing is guessed: what cannot be read is told back to the model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeVar, overload

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.checks.draft import Cited
from agent.checks.mending import unwrapped
from agent.checks.telling import problem as problem_of
from agent.checks.telling import short, told
from agent.items import FinishReason

Output = TypeVar("Output", bound=BaseModel)

MOST_CHARS = 1_000_000
MOST_DEPTH = 200

_UNANSWERED = {
    "refusal": "the model refused to answer",
    "content_filter": "the answer was stopped by the endpoint's content filter",
    "tool_calls": "the answer is needed, and no call of a tool",
}
CUT_OFF = "the answer was cut off at the token limit; be shorter"


class Quoted(BaseModel):
    """Words of a passage that support the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    passage_id: str = Field(description="The id of a passage, such as p1.")
    quote: str = Field(description="Words of that passage, copied exactly.")


class CitedAnswer(BaseModel):
    """An answer that stands on words of passages."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    answer: str
    citations: list[Quoted]
    no_answer: bool = Field(description="True if the passages do not answer the question.")

    def cited(self) -> tuple[Cited, ...]:
        """The citations as a draft holds them."""
        return tuple(Cited(item.passage_id, item.quote) for item in self.citations)


@lru_cache(maxsize=256)
def schema(output: type[BaseModel] = CitedAnswer) -> str:
    """The JSON Schema of an output type as canonical JSON.

    It fits OpenAI's strict mode if no field of the type, nor of those inside it, has a default and all forbid extras.
    """
    return orjson.dumps(output.model_json_schema(), option=orjson.OPT_SORT_KEYS).decode()


@overload
def parse(raw: str, finish_reason: FinishReason, output: None = None) -> str | list[str]: ...
@overload
def parse(raw: str, finish_reason: FinishReason, output: type[Output]) -> Output | list[str]: ...
def parse(raw: str, finish_reason: FinishReason, output: type[BaseModel] | None = None) -> BaseModel | str | list[str]:
    """The value that a model's words stand for, or up to eight problems in words for the model. Raises nothing.

    Without an `output` type the words are the value. With one they must be its JSON as it stands; if they are not
    JSON at all and the model came to its own end, a code fence, thoughts or prose around one object are taken off.
    Words that were cut off are read as they are or not at all, never completed.
    """
    if finish_reason in _UNANSWERED:
        return [_UNANSWERED[finish_reason]]
    if len(raw) > MOST_CHARS:
        return [f"the answer is longer than {MOST_CHARS:,} characters; be shorter"]
    if output is None:
        return raw
    text = unwrapped(raw).text if finish_reason == "stop" else raw
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return [CUT_OFF if finish_reason == "length" else short(f"the answer is not one JSON object: {error}")]
    return too_deep(data) or _validated(text, output)


def too_deep(data: Any) -> list[str]:
    """The problem of a value that is nested deeper than any answer needs; empty if there is none."""
    return [f"the answer is nested deeper than {MOST_DEPTH} levels"] if is_deeper(data, MOST_DEPTH) else []


def is_deeper(data: Any, most: int) -> bool:
    """Whether there is anything within more than so many levels of objects and lists; it may be of any depth."""
    level = [data]
    for _ in range(most):
        level = [inner for value in level if isinstance(value, dict | list) for inner in _inside(value)]
    return bool(level)


def _inside(value: dict[str, Any] | list[Any]) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)


def _validated(text: str, output: type[BaseModel]) -> BaseModel | list[str]:
    try:
        return output.model_validate_json(text, strict=True)
    except ValidationError as error:
        return told(error)
    except Exception as error:  # an agent author's validator met what it did not expect: the model's fault, told to it
        return [problem_of((), f"{type(error).__name__}: {error}")]
