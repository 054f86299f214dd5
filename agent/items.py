"""What conversations are made of beside plain text: calls of functions, parts of a message, tools and their choice."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

CALLABLE = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Names of functions that an endpoint takes back; it would refuse the whole conversation for another one."""

FinishReason = Literal["stop", "length", "refusal", "content_filter", "tool_calls"]
"""Why a model stopped. With `tool_calls` it waits for what its calls bring."""


class Lean(BaseModel):
    """Leaves out what was added later and says nothing, so that records and hashes without it stay as they were.

    A release that does not know such a field can go on reading the records of one that does not use it.
    """

    model_config = ConfigDict(frozen=True)
    later: ClassVar[frozenset[str]] = frozenset()
    """Names of fields with a default that are not written while they hold it."""

    @model_serializer(mode="wrap")
    def _lean(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        for name in self.later:
            if name in written and getattr(self, name) == type(self).model_fields[name].default:
                del written[name]
        return written


class FunctionCall(BaseModel):
    """A model's wish to have a function of the client called. `arguments` is JSON text, as the model wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    call_id: str
    name: str
    arguments: str


class FunctionTool(BaseModel):
    """A function that the client offers. `parameters` is a JSON Schema as JSON text, in the client's own order."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    description: str | None = None
    parameters: str | None = None
    strict: bool | None = None


class ToolChoice(BaseModel):
    """What the model has to do about tools: nothing (`none`), as it likes (`auto`), or call one (`required`).

    `names` are the only ones it may call; None for all that are offered. `form` is how the client wrote it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] | None = None
    form: Literal["mode", "function", "allowed_tools"] = "mode"

    def allows(self, name: str) -> bool:
        return self.mode != "none" and (self.names is None or name in self.names)


class TextPart(BaseModel):
    """Words between parts that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["input_text"] = "input_text"
    text: str

    @property
    def needs(self) -> None:
        """Every model takes text."""


class ImagePart(BaseModel):
    """An image: an address on the web, or a `data:` URL. It is handed on as it is and never fetched by us."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["input_image"] = "input_image"
    image_url: str
    detail: Literal["low", "high", "auto", "original"] | None = None

    @property
    def needs(self) -> Literal["image"]:
        """What a model must take."""
        return "image"


class FilePart(BaseModel):
    """A file: its content as base64 (or a `data:` URL), or an address on the web. It is never fetched by us."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["input_file"] = "input_file"
    filename: str | None = None
    file_data: str | None = None
    file_url: str | None = None

    @property
    def needs(self) -> Literal["file", "file_url"]:
        """What a model must take."""
        return "file" if self.file_data is not None else "file_url"


Part = TextPart | ImagePart | FilePart


class ReasoningItem(BaseModel):
    """Thoughts of an earlier turn that a client sends back. They are kept with the request."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    summary: tuple[str, ...] = ()
    encrypted_content: str | None = None


Role = Literal["system", "developer", "user", "assistant", "tool"]


class Message(Lean):
    """One item of a conversation. Its text never decides its role.

    `content` is all of its text. Where it holds more than text, `parts` are its parts in order, the text among them.
    A `tool` message is what the call `tool_call_id` brought. `tool_calls` and `reasoning` are an assistant's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    later = frozenset({"parts", "tool_calls", "tool_call_id", "reasoning"})
    role: Role
    content: str
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[FunctionCall, ...] = ()
    tool_call_id: str | None = None
    reasoning: ReasoningItem | None = None


class Reasoning(BaseModel):
    """How hard a model is to think, and whether a summary of it is wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class TextFormat(BaseModel):
    """The form of the answer. `json_schema` is a JSON Schema as JSON text, in the client's own order."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    json_schema: str | None = None
    strict: bool | None = None


class TextOptions(BaseModel):
    """The `text` field of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: TextFormat = TextFormat()
    verbosity: Literal["low", "medium", "high"] | None = None


class Wishes(Lean):
    """What is handed on to a model as it was asked for; what an endpoint does not know is left out for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    later = frozenset(
        {
            "top_p",
            "presence_penalty",
            "frequency_penalty",
            "top_logprobs",
            "reasoning_effort",
            "verbosity",
            "service_tier",
            "prompt_cache_key",
            "safety_identifier",
            "user",
        }
    )
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    """How many likely tokens are wanted at each place; None where no probabilities are."""
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
