"""All a step may ask of the world. An effect is a question as a frozen value; `Ask` brings its answer.

An effect's canonical form (`canonical`) is what is recorded and hashed: same question, same hash, on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from agent.events import Passage, Usage
from agent.filters import Filter
from agent.items import FinishReason, FunctionCall, FunctionTool, Lean, TextFormat, ToolChoice, Wishes
from agent.request import Message
from agent.text.estimate import estimated_tokens

Answer = TypeVar("Answer", bound=BaseModel)
AnswerType = type[BaseModel]
MESSAGE_TOKENS = 4
"""What a message takes beside its text, about."""


class Effect(Lean, Generic[Answer]):
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
    """Passages and the collection's version that was searched.

    The best comes first; neighbours stand with the passage that brought them, as in their document, and score 0.
    """

    model_config = ConfigDict(frozen=True)
    passages: tuple[Passage, ...]
    index_version: int


class Search(Effect[Found]):
    """Find the `limit` passages of a collection that fit `query` best, in documents that meet `where`.

    With each come up to `neighbours` passages before it and after it in its document.
    """

    type = "search"
    later = frozenset({"where", "neighbours"})
    answer_type = Found
    collection: str
    query: str
    limit: int = 6
    where: Filter | None = None
    neighbours: int = 0


class ModelAnswer(Lean):
    """What an endpoint said, read strictly. `model` is the name that the endpoint reported.

    `calls` are its wishes to have functions called, `reasoning` its thoughts, `logprobs` the probabilities of the
    text's tokens as JSON; the latter two where the endpoint told them.
    """

    model_config = ConfigDict(frozen=True)
    later = frozenset({"calls", "reasoning", "logprobs"})
    text: str
    finish_reason: FinishReason = "stop"
    model: str
    endpoint: str
    offline: bool = False
    usage: Usage = Usage()
    cost_usd: Decimal | None = None
    calls: tuple[FunctionCall, ...] = ()
    reasoning: str = ""
    logprobs: str = ""


class CallModel(Effect[ModelAnswer]):
    """One call of one model. `prompt` is `name@version+hash`; `output_schema` is JSON Schema as canonical JSON.

    What was added later is part of the canonical form only where it is used: answers on record stay usable.
    """

    type = "call_model"
    later = frozenset({"tools", "tool_choice", "parallel_tool_calls", "wishes", "form"})
    answer_type = ModelAnswer
    model: str
    prompt: str
    messages: tuple[Message, ...]
    max_output_tokens: int
    temperature: float | None = None
    output_schema: str | None = None
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    wishes: Wishes = Wishes()
    form: TextFormat = TextFormat()
    """The form that the client wants the answer in; `output_schema` is an agent's own."""
    question: str = Field("", exclude=True)
    passages: tuple[Passage, ...] = Field((), exclude=True)
    """`question` and `passages` stand in the messages already; a model that reads no prompts gets them as they are."""

    def prompt_hash(self) -> str:
        """Hash of what the model reads, whichever model it is."""
        said = [[message.role, message.content, *_beyond_text(message)] for message in self.messages]
        tools = [[tool.model_dump() for tool in self.tools]] if self.tools else []
        form = [self.form.model_dump()] if self.form.type != "text" else []
        return sha256(orjson.dumps([said, self.output_schema, *tools, *form])).hexdigest()

    def prompt_bytes(self) -> int:
        """At least the length of all that the model reads as UTF-8; no byte-level tokenizer makes more tokens of it.

        An image counts with the length of its address or data: what it costs, its endpoint alone knows.
        """
        beyond = [orjson.dumps(_beyond_text(message)).decode() for message in self.messages if _beyond_text(message)]
        return sum(len(text.encode("utf-8", "replace")) for text in (*self._texts(), *beyond))

    def prompt_tokens(self) -> int:
        """An estimate of what the model reads, in tokens. Images and files count nothing."""
        return sum(map(estimated_tokens, self._texts())) + MESSAGE_TOKENS * len(self.messages)

    def _texts(self) -> Sequence[str]:
        said = [message.content for message in self.messages]
        calls = [call.arguments for message in self.messages for call in message.tool_calls]
        tools = [tool.model_dump_json() for tool in self.tools]
        return (*said, *calls, *tools, self.output_schema or "", self.form.json_schema or "")


def _beyond_text(message: Message) -> list[Any]:
    """What a model reads of a message beside its text."""
    rest = message.model_dump(mode="json", exclude={"role", "content", "reasoning"})
    return [rest] if rest else []


class Recalled(BaseModel):
    """The items of a conversation, oldest first. `gone`: the response that it would go on from cannot be read."""

    model_config = ConfigDict(frozen=True)
    messages: tuple[Message, ...] = ()
    gone: bool = False


class Recall(Effect[Recalled]):
    """The conversation up to the end of a response, whose input and output are its last items.

    While that response is on its way, there is none yet: `Transient` (`previous`).
    """

    type = "recall"
    answer_type = Recalled
    previous: str


class ToolResult(BaseModel):
    """What a call of a tool brought, as text: data, whatever it says. `failed`: it tells why there is no result."""

    model_config = ConfigDict(frozen=True)
    text: str
    failed: bool = False


TOOL_FAILED = "The tool failed."
TOOL_WAS_LATE = "The tool did not answer in time."
TOOL_WAS_UNTOLD = "The call was made, but its result is nothing that can be told."
BROKEN = frozenset({TOOL_FAILED, TOOL_WAS_LATE, TOOL_WAS_UNTOLD})
"""What a model reads where a tool's own code did not do what it should; other failures are a tool's own words."""


class CallTool(Effect[ToolResult]):
    """One call of one of the agent's own tools. `arguments` is JSON text, as the model wrote it.

    `key` is the same for every try at this very call, and no other call's.
    """

    type = "call_tool"
    answer_type = ToolResult
    tool: str
    arguments: str
    key: str = Field("", exclude=True)


class Ask(Protocol):
    """Bring a step what it asked for. Raises `Transient` or `Permanent`."""

    async def __call__(self, effect: Effect[Answer], /) -> Answer: ...


AnyEffect = Effect[Any]


KINDS: Mapping[str, type[AnyEffect]] = {kind.type: kind for kind in (Search, CallModel, Recall, CallTool)}
"""Every effect that there is, by its type."""


def read_effect(canonical: bytes | str) -> AnyEffect:
    """The effect whose canonical form this is; it has the same hash. Raises `ValueError` if it is none of ours."""
    said = orjson.loads(canonical)
    try:
        kind = KINDS[said.pop("type")]
    except KeyError as error:
        raise ValueError(f"no effect is of type {error}") from None
    return kind.model_validate(said)
