"""What a client asked, after the door has checked it: the part of a request that steps may see."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["system", "user", "assistant"]


class Message(BaseModel):
    """One turn of a conversation. Its text never decides its role."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Role
    content: str


class Request(BaseModel):
    """A request as it stays with its run.

    `messages` is the conversation, oldest first, the question last; system and developer messages of the caller
    are folded into `instructions`. `base_url` is where this service's own pages are found, without a trailing slash.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    messages: tuple[Message, ...]
    instructions: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] = {}
    include: tuple[str, ...] = ()
    store: bool = True
    caller_instructions: str | None = None
    """The `instructions` field as sent, for the echo in the response."""
    base_url: str = "http://127.0.0.1:8000"

    @property
    def question(self) -> str:
        """The text of the last user message, or an empty string."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def history(self) -> tuple[Message, ...]:
        """The conversation before the question."""
        last = max((n for n, message in enumerate(self.messages) if message.role == "user"), default=0)
        return self.messages[:last]
