"""Takes over the conversation that a request goes on from, once, before anything else is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from agent.effects import Ask, Recall
from agent.events import ConversationRecalled, Event, RunFailed
from agent.outcome import failure_of
from agent.prompting import is_too_long, unpaired
from agent.prompting.shortening import droppable, shortened_by
from agent.request import Message, Request
from agent.run import Run
from agent.steps.call_tools import called


async def recalled(run: Run, ask: Ask) -> tuple[Sequence[Event], Run]:
    """What was taken over just now, as a fact and on the run; nothing if there is nothing, or it is there already.

    The last event is a `RunFailed` if the conversation cannot be gone on with. Raises `Transient` (`previous`) while
    the earlier run is on its way.
    """
    facts: Sequence[Event] = ()
    previous = run.request.previous_response_id
    if previous is not None and run.find(ConversationRecalled) is None:
        earlier = await ask(Recall(previous=previous))
        if earlier.gone:
            return [failure_of("previous_response_not_found")], run
        facts = [ConversationRecalled(previous=previous, messages=earlier.messages)]
        run = replace(run, events=(*run.events, *facts))
    failure = _failure(conversation_of(run))
    return (facts, run) if failure is None else ([*facts, failure], run)


def conversation_of(run: Run) -> tuple[Message, ...]:
    """Every item that the reply is to go on from: earlier responses, the request, what tools were called since."""
    return (*_earlier(run), *run.request.messages, *called(run))


def versions_of(run: Run) -> Iterator[tuple[Message, ...]]:
    """The conversation; then, if the request allows it, shorter and shorter ones, down to what is asked.

    Twice as much is left out each time, so that few calls are refused on the way to one that fits.
    """
    conversation, count = conversation_of(run), 0
    most = len(droppable(conversation)) if run.request.truncation == "auto" else 0
    while (shorter := shortened_by(conversation, count)) is not None:
        yield shorter
        if count == most:
            return
        count = min(max(1, 2 * count), most)


def request_of(run: Run) -> Request:
    """The request, with what systems and developers said in earlier turns among its instructions."""
    told = [message.content for message in _earlier(run) if message.role in ("system", "developer")]
    if not any(told):
        return run.request
    instructions = [run.request.instructions or "", *told]
    return run.request.model_copy(update={"instructions": "\n\n".join(text for text in instructions if text)})


def _earlier(run: Run) -> tuple[Message, ...]:
    fact = run.find(ConversationRecalled)
    return fact.messages if fact else ()


def _failure(conversation: Sequence[Message]) -> RunFailed | None:
    if is_too_long(conversation):
        return failure_of("conversation_too_long")
    missing = unpaired(conversation)
    return incoherent(missing[1]) if missing else None


def incoherent(call_id: str) -> RunFailed:
    """The ending of a conversation that no endpoint takes: it shows only together with the turns before it."""
    message = f"The conversation has a call or a result without its counterpart: call_id {call_id[:64]!r}."
    return RunFailed(code="invalid_conversation", message=message)
