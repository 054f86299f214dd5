"""A conversation that a model cannot take whole, made shorter: older turns go, and nothing is torn apart."""

from __future__ import annotations

from collections.abc import Sequence

from agent.prompting.conversation import results_of
from agent.request import Message

KEPT_ROLES = ("system", "developer")
"""What they say is never left out: it holds for the whole conversation."""


def droppable(conversation: Sequence[Message]) -> list[frozenset[int]]:
    """The places that can be left out together, first to go first.

    A turn is a user's message and all up to the next one. The second turn goes first, then the third and so on, then
    the first one, which often says what all is about. Of the last turn, calls of functions go with their results, the
    oldest first; its user's message and its last calls stay. A call and its result never part.
    """
    units = _joined(_units(conversation), conversation)
    told = [place for place, message in enumerate(conversation) if message.role not in KEPT_ROLES]
    last_user = max((place for place in told if conversation[place].role == "user"), default=-1)
    staying = {last_user, told[-1]} if told else set()
    older = [unit for unit in units if unit.isdisjoint(staying) and max(unit) < last_user]
    newer = [unit for unit in units if unit.isdisjoint(staying) and max(unit) > last_user]
    return [*older[1:], *older[:1], *newer]


def shortened_by(conversation: Sequence[Message], count: int) -> tuple[Message, ...] | None:
    """The conversation without the first `count` of what can be left out; None if there is not so much."""
    units = droppable(conversation)
    if count > len(units):
        return None
    gone = frozenset[int]().union(*units[:count])
    return tuple(message for place, message in enumerate(conversation) if place not in gone)


def _units(conversation: Sequence[Message]) -> list[set[int]]:
    """Whole turns; the last turn as its user's message, and after it calls with what came between them and the next."""
    starts = [place for place, message in enumerate(conversation) if message.role == "user"]
    last, units = (starts[-1] if starts else 0), [set[int]()]
    for place, message in enumerate(conversation):
        if message.role in KEPT_ROLES:
            continue
        after_results = place > last and message.role == "assistant" and conversation[place - 1].role == "tool"
        if message.role == "user" or place == last + 1 or after_results:
            units.append(set())
        units[-1].add(place)
    return _with_beginning(units, starts)


def _with_beginning(units: list[set[int]], starts: Sequence[int]) -> list[set[int]]:
    """What stands before the first user's message belongs to the first turn."""
    before, *turns = units
    if before and turns and len(starts) > 1:
        turns[0] |= before
        return turns
    return [unit for unit in units if unit]


def _joined(units: list[set[int]], conversation: Sequence[Message]) -> list[frozenset[int]]:
    """Units that hold a call and its result become one."""
    calls = [place for place, message in enumerate(conversation) for _ in message.tool_calls]
    for call, result in zip(calls, results_of(conversation), strict=True):
        if result is None:
            continue
        one = next(unit for unit in units if call in unit)
        other = next(unit for unit in units if result in unit)
        if one is not other:
            one |= other
            units.remove(other)
    return [frozenset(unit) for unit in units]
