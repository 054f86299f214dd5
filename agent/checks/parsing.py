"""From a model's words to a value, strictly. Nothing is guessed: what cannot be read is told back to the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar, overload

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.checks.draft import Cited
from agent.items import FinishReason

Output = TypeVar("Output", bound=BaseModel)

MOST_CHARS = 1_000_000
MOST_DEPTH = 200
MOST_PROBLEMS = 8
MOST_PROBLEM_CHARS = 200

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
    problem = ""
    for text in readings(raw) if finish_reason == "stop" else (raw,):
        try:
            data = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            problem = problem or f"the answer is not one JSON object: {error}"
        else:
            return too_deep(data) or _validated(text, output)
    return [CUT_OFF if finish_reason == "length" else _short(problem)]


def readings(raw: str) -> Iterator[str]:
    """What may be the JSON that was meant, best first: the words as they are, then without what stands around it."""
    yield raw
    said = raw.rpartition("</think>")[2].strip()
    if "<think" in said:  # thoughts without an end: an object in them is no answer
        return
    yield said
    fenced = re.fullmatch(r"```[\w-]*[ \t]*\n(.*)\n[ \t]*```", said, re.DOTALL)
    if fenced:
        yield fenced[1]
    objects = list(islice(_objects(said), 2))
    if len(objects) == 1:
        yield objects[0]


# A string without an end runs to the end of the text: trying its other quotes as starts would take quadratic time.
_IN_OBJECT = re.compile(r'"(?:[^"\\]|\\.?)*+(?:"|\Z)|[{}]', re.DOTALL)


def _objects(text: str) -> Iterator[str]:
    """The balanced top-level objects of a text, up to the first one without an end."""
    end: int | None = 0
    while end is not None and (start := text.find("{", end)) >= 0:
        end = _object_end(text, start)
        if end is not None:
            yield text[start:end]


def _object_end(text: str, start: int) -> int | None:
    depth = 0
    for match in _IN_OBJECT.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return None


def too_deep(data: Any) -> list[str]:
    """The problem of a value that is nested deeper than any answer needs; empty if there is none."""
    level = [data]
    for _ in range(MOST_DEPTH):
        level = [inner for value in level if isinstance(value, dict | list) for inner in _inside(value)]
        if not level:
            return []
    return [f"the answer is nested deeper than {MOST_DEPTH} levels"]


def _inside(value: dict[str, Any] | list[Any]) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)


def _validated(text: str, output: type[BaseModel]) -> BaseModel | list[str]:
    try:
        return output.model_validate_json(text, strict=True)
    except ValidationError as error:
        return _told(error)
    except Exception as error:  # an agent author's validator met what it did not expect: the model's fault, told to it
        return [_short(f"/: {type(error).__name__}: {error}")]


def _told(error: ValidationError) -> list[str]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [_short(f"/{'/'.join(map(_escaped, item['loc']))}: {item['msg']}") for item in found[:MOST_PROBLEMS]]
    if len(found) > MOST_PROBLEMS:
        told[-1] = f"and {len(found) - MOST_PROBLEMS + 1} more problems"
    return told


def _escaped(step: int | str) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _short(problem: str) -> str:
    line = " ".join(problem.split())
    return line if len(line) <= MOST_PROBLEM_CHARS else f"{line[: MOST_PROBLEM_CHARS - 1]}…"
