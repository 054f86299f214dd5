"""A run that goes on from an earlier one: what it takes over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent.effects import Recall, Recalled
from agent.envelope import Sealed, index, unseal
from agent.errors import Transient
from agent.events import ENDINGS, AnswerAccepted, ConversationRecalled
from agent.outcome import WAITING
from agent.ports import RunStatus
from agent.request import Message, Request

_KNOWN = index((*ENDINGS, ConversationRecalled))


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run as one that follows it sees it. `recalled` is its `conversation.recalled`, if it followed one itself."""

    status: RunStatus
    store: bool
    deleted: bool
    request: str
    ending: Sealed | None = None
    recalled: Sealed | None = None


class Conversations(Protocol):
    """Where earlier runs are found. Raises `Transient` if the store cannot be reached."""

    async def earlier(self, run: str, project: str, /) -> Earlier | None:
        """A run of this project, or None."""


def conversation(earlier: Earlier) -> tuple[Message, ...]:
    """The items of a run that has ended: those before it, its input, its output. One without an answer has none.

    Raises `Unfamiliar` or `Undecodable` if its record cannot be read.
    """
    recalled = None if earlier.recalled is None else unseal(earlier.recalled, _KNOWN)
    before = recalled.messages if isinstance(recalled, ConversationRecalled) else ()
    return (*before, *Request.model_validate_json(earlier.request).messages, *output(earlier))


def output(earlier: Earlier) -> tuple[Message, ...]:
    """What a run answered, as an item of a conversation; nothing if it did not."""
    ending = None if earlier.ending is None else unseal(earlier.ending, _KNOWN)
    if not isinstance(ending, AnswerAccepted) or not (ending.text or ending.calls):
        return ()
    return (Message(role="assistant", content=ending.text, tool_calls=ending.calls),)


@dataclass(frozen=True, slots=True)
class Recollection:
    """Brings what `Recall` asks for."""

    conversations: Conversations

    async def __call__(self, effect: Recall, project: str) -> Recalled:
        """Raises `Transient`: `previous` while the earlier run is on its way."""
        earlier = await self.conversations.earlier(effect.previous, project)
        if earlier is None or earlier.deleted:
            return Recalled(gone=True)
        if earlier.status == "in_progress":
            raise Transient(f"{effect.previous} has not ended yet", kind=WAITING)
        return Recalled(messages=conversation(earlier))
