"""The items of a conversation as the turns that a model is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.items import TextPart
from agent.prompting.fence import Fence
from agent.request import Message

MOST_ITEMS = 2_000
MOST_CHARS = 1_000_000
"""Of a conversation with all that it goes on from."""


def turns(conversation: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation in turns: what an assistant said and called in one go is one turn, and its results follow it.

    Results are fenced: a tool brings what others wrote. What systems and developers say is left out, for it is folded
    into the instructions; so are thoughts, which no endpoint takes from others.
    """
    results = iter(results_of(conversation))
    told: list[Message] = []
    for message in _grouped(conversation):
        told.append(message)
        brought = [next(results) for _ in message.tool_calls]
        told.extend(_fenced(conversation[place]) for place in brought if place is not None)
    return tuple(told)


def unpaired(conversation: Sequence[Message]) -> tuple[int, str] | None:
    """The first item whose call or result is missing, and its `call_id`: no endpoint takes such a conversation."""
    found = results_of(conversation)
    results, used = iter(found), set(found)
    for place, message in enumerate(conversation):
        if message.role == "tool" and place not in used:
            return place, message.tool_call_id or ""
        for call in message.tool_calls:
            if next(results) is None:
                return place, call.call_id
    return None


def chars(conversation: Sequence[Message]) -> int:
    """All characters of text that a conversation has."""
    calls = [call for turn in conversation for call in turn.tool_calls]
    thoughts = [turn.reasoning for turn in conversation if turn.reasoning]
    return (
        sum(len(turn.content) for turn in conversation)
        + sum(len(call.arguments) for call in calls)
        + sum(len(text) for thought in thoughts for text in (*thought.summary, thought.encrypted_content or ""))
    )


def is_too_long(conversation: Sequence[Message]) -> bool:
    """Whether a conversation has more than one run takes over and asks with."""
    return len(conversation) > MOST_ITEMS or chars(conversation) > MOST_CHARS


def results_of(conversation: Sequence[Message]) -> list[int | None]:
    """For every call, in order, the place of its result: that of the first call before it with its id and no result."""
    found: list[int | None] = []
    waiting: dict[str, list[int]] = {}
    for place, message in enumerate(conversation):
        for call in message.tool_calls:
            waiting.setdefault(call.call_id, []).append(len(found))
            found.append(None)
        if message.role == "tool" and waiting.get(message.tool_call_id or ""):
            found[waiting[message.tool_call_id or ""].pop(0)] = place
    return found


def _grouped(conversation: Iterable[Message]) -> Iterable[Message]:
    """Users' messages, and what an assistant did between them and between results, in one message if it called."""
    group: list[Message] = []
    for message in conversation:
        if message.role == "assistant":
            group.append(message)
        elif message.role in ("user", "tool"):
            yield from _merged(group)
            group = []
            if message.role == "user":
                yield message
    yield from _merged(group)


def _merged(group: Sequence[Message]) -> Iterable[Message]:
    said = [message for message in group if message.reasoning is None or message.content or message.tool_calls]
    calls = tuple(call for message in said for call in message.tool_calls)
    if calls:
        text = "\n\n".join(message.content for message in said if message.content)
        yield Message(role="assistant", content=text, tool_calls=calls)
    else:
        yield from said


def _fenced(result: Message) -> Message:
    # The fence follows from the text: the same result is the same text in the next run, for endpoints' prompt caches.
    block = Fence.of(result.content).around("tool_result", result.content).block
    others = tuple(part for part in result.parts if not isinstance(part, TextPart))
    parts = (TextPart(text=block), *others) if others else ()
    return result.model_copy(update={"content": block, "parts": parts})
