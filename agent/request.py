"""What a client asked, after the door has checked it: the part of a request that steps may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.filters import Filter
from agent.items import (
    FunctionTool,
    Lean,
    Message,
    Reasoning,
    Role,
    TextOptions,
    ToolChoice,
    Wishes,
)

__all__ = ["FileSearch", "Message", "Request", "Role", "StreamOptions", "split"]


class StreamOptions(BaseModel):
    """How a stream is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    include_obfuscation: bool | None = None


class FileSearch(BaseModel):
    """Where a request wants its passages from: these collections, in documents that meet `where`, `limit` at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    collections: tuple[str, ...]
    where: Filter | None = None
    limit: int | None = None


class Request(Lean):
    """A request as it stays with its run.

    `messages` are the items of the input, oldest first, one message each. Those of the system and of developers stand
    among them as they were sent; what they say is folded into `instructions`, and a model is told it there.
    `base_url` is where this service's own pages are found, without a trailing slash.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    later = frozenset(
        {
            "model",
            "models",
            "signed_links",
            "previous_response_id",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "max_tool_calls",
            "text",
            "reasoning",
            "top_p",
            "presence_penalty",
            "frequency_penalty",
            "top_logprobs",
            "service_tier",
            "prompt_cache_key",
            "safety_identifier",
            "user",
            "truncation",
            "background",
            "stream",
            "stream_options",
            "stream_version",
            "fence",
            "file_search",
        }
    )
    messages: tuple[Message, ...]
    instructions: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    include: tuple[str, ...] = ()
    store: bool = True
    caller_instructions: str | None = None
    """The `instructions` field as sent, for the echo in the response."""
    base_url: str = "http://127.0.0.1:8000"
    model: str = ""
    """The name that the client asked for; empty for the agent's own."""
    models: tuple[str, ...] = ()
    """The chain of models in place of the agent's own; empty for that one."""
    signed_links: bool = False
    """Whether links to passages carry a signature, with which they open without a key."""
    previous_response_id: str | None = None
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    max_tool_calls: int | None = None
    text: TextOptions = TextOptions()
    reasoning: Reasoning | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
    truncation: Literal["disabled", "auto"] = "disabled"
    background: bool = False
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    stream_version: int = 1
    """The version in which the run's stream is told, on every reading."""
    fence: str = ""
    """What the codes of the run's fences follow from: drawn for each request and told to nobody."""
    file_search: FileSearch | None = None

    @property
    def question(self) -> str:
        """The text of the last user message, or an empty string."""
        return question_of(self.messages)

    @property
    def wishes(self) -> Wishes:
        """What of this request is handed on to a model as it stands."""
        reasoning, logprobs = self.reasoning or Reasoning(), "message.output_text.logprobs" in self.include
        return Wishes(
            top_p=self.top_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            top_logprobs=(self.top_logprobs or 0) if logprobs or self.top_logprobs else None,
            reasoning_effort=reasoning.effort,
            verbosity=self.text.verbosity,
            service_tier=self.service_tier,
            prompt_cache_key=self.prompt_cache_key,
            safety_identifier=self.safety_identifier,
            user=self.user,
        )


def question_of(conversation: Sequence[Message]) -> str:
    """The text of the last user message, or an empty string."""
    return next((message.content for message in reversed(conversation) if message.role == "user"), "")


def split(conversation: Sequence[Message]) -> tuple[tuple[Message, ...], Message | None, tuple[Message, ...]]:
    """What was said before the last user message, that message, and what has come of it since.

    Without any user message all of it has come since. What systems and developers say is left out: it is folded.
    """
    heard = tuple(message for message in conversation if message.role not in ("system", "developer"))
    places = [place for place, message in enumerate(heard) if message.role == "user"]
    if not places:
        return (), None, heard
    return heard[: places[-1]], heard[places[-1]], heard[places[-1] + 1 :]
