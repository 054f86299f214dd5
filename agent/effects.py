"""All a step may ask of the world. An effect is a question as a frozen value; `Ask` brings its answer.

An effect's canonical form (`canonical`) is what is recorded and hashed: same question, same hash, on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from agent.events import Passage, Usage
from agent.request import Message

Answer = TypeVar("Answer", bound=BaseModel)
AnswerType = type[BaseModel]


class Effect(BaseModel, Generic[Answer]):
    """A question to the world. `answer_type` reads its recorded answer back."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ClassVar[str]
    answer_type: ClassVar[AnswerType]

    def canonical(self) -> bytes:
        """The question as bytes: keys sorted, no white space."""
        return orjson.dumps({"type": self.type, **self.model_dump(mode="json")}, option=orjson.OPT_SORT_KEYS)

    def hash(self) -> str:
        return sha256(self.canonical()).hexdigest()


class Found(BaseModel):
    """Passages, best first, and the collection's version that was searched."""

    model_config = ConfigDict(frozen=True)
    passages: tuple[Passage, ...]
    index_version: int


class Search(Effect[Found]):
    """Find the `limit` passages of a collection that fit `query` best."""

    type = "search"
    answer_type = Found
    collection: str
    query: str
    limit: int = 6


class ModelAnswer(BaseModel):
    """What an endpoint said, read strictly. `model` is the name that the endpoint reported."""

    model_config = ConfigDict(frozen=True)
    text: str
    finish_reason: Literal["stop", "length", "refusal", "content_filter"] = "stop"
    model: str
    endpoint: str
    offline: bool = False
    usage: Usage = Usage()
    cost_usd: Decimal | None = None


class CallModel(Effect[ModelAnswer]):
    """One call of one model. `prompt` is `name@version+hash`; `output_schema` is JSON Schema as canonical JSON."""

    type = "call_model"
    answer_type = ModelAnswer
    model: str
    prompt: str
    messages: tuple[Message, ...]
    max_output_tokens: int
    temperature: float | None = None
    output_schema: str | None = None
    question: str = Field("", exclude=True)
    passages: tuple[Passage, ...] = Field((), exclude=True)
    """`question` and `passages` stand in the messages already; a model that reads no prompts gets them as they are."""

    def prompt_hash(self) -> str:
        """Hash of what the model reads, whichever model it is."""
        said = [[message.role, message.content] for message in self.messages]
        return sha256(orjson.dumps([said, self.output_schema])).hexdigest()

    def prompt_bytes(self) -> int:
        """Length of all messages as UTF-8; no byte-level tokenizer makes more tokens of them than bytes."""
        return sum(len(message.content.encode("utf-8", "replace")) for message in self.messages) + len(
            self.output_schema or ""
        )


class Ask(Protocol):
    """Bring a step what it asked for. Raises `Transient` or `Permanent`."""

    async def __call__(self, effect: Effect[Answer], /) -> Answer: ...


AnyEffect = Effect[Any]


KINDS: Mapping[str, type[AnyEffect]] = {kind.type: kind for kind in (Search, CallModel)}
"""Every effect that there is, by its type."""


def read_effect(canonical: bytes | str) -> AnyEffect:
    """The effect whose canonical form this is; it has the same hash. Raises `ValueError` if it is none of ours."""
    said = orjson.loads(canonical)
    try:
        kind = KINDS[said.pop("type")]
    except KeyError as error:
        raise ValueError(f"no effect is of type {error}") from None
    return kind.model_validate(said)
