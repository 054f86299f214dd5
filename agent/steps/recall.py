"""Takes over the conversation that a request goes on from, once, before anything else is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.effects import Ask, Recall
from agent.events import ConversationRecalled, Event, RunFailed
from agent.outcome import failure_of
from agent.prompting.conversation import chars, unpaired
from agent.request import Message
from agent.run import Run

MOST_ITEMS = 2_000
MOST_CHARS = 1_000_000
"""Of a conversation with all that it goes on from."""


async def recalled(run: Run, ask: Ask) -> tuple[Sequence[Event], Run]:
    """What was taken over just now, as a fact and on the run; nothing if there is nothing, or it is there already.

    The only event is a `RunFailed` if the conversation cannot be gone on with.
    """
    previous = run.request.previous_response_id
    if previous is None or run.find(ConversationRecalled):
        return (), run
    earlier = await ask(Recall(previous=previous))
    if earlier.gone:
        return (failure_of("previous_response_not_found"),), run
    fact = ConversationRecalled(previous=previous, messages=earlier.messages)
    run = replace(run, events=(*run.events, fact))
    return (failed or fact,) if (failed := _failure(conversation_of(run))) else (fact,), run


def conversation_of(run: Run) -> tuple[Message, ...]:
    """All items of the conversation, those of earlier responses first."""
    fact = run.find(ConversationRecalled)
    return (*(fact.messages if fact else ()), *run.request.messages)


def _failure(conversation: Sequence[Message]) -> RunFailed | None:
    if is_too_long(conversation):
        return failure_of("conversation_too_long")
    return failure_of("tool_call_not_found") if unpaired(conversation) else None


def is_too_long(conversation: Sequence[Message]) -> bool:
    """Whether a conversation has more than a run takes over."""
    return len(conversation) > MOST_ITEMS or chars(conversation) > MOST_CHARS
