"""What the items of a request must make together: a conversation that a model can go on with."""

from __future__ import annotations

from collections.abc import Sequence

from agent.prompting.conversation import unpaired
from agent.request import Message
from api.body import join
from api.errors import invalid


def check_conversation(turns: Sequence[Message], *, continued: bool = False) -> None:
    """Raises `ApiError` 400 if there is nothing to reply to, or a call or its result is missing.

    `continued`: there are earlier turns, which only the run will see; calls and results may belong to those.
    """
    said = [(place, turn) for place, turn in enumerate(turns) if turn.role not in ("system", "developer")]
    if not any(turn.role in ("user", "tool") for _, turn in said):
        raise invalid("input", "must hold a message of the user")
    place, last = said[-1]
    if last.role not in ("user", "tool"):
        raise invalid(join(join("input", place), "role"), "the last turn must be the user's or what a function brought")
    if last.role == "user" and not last.content.strip() and not last.parts:
        raise invalid("input", "the user's last message must hold text")
    if not continued and (found := unpaired(turns)):
        missing = "call" if turns[found[0]].role == "tool" else "output"
        raise invalid(join("input", found[0]), f"there is no {missing} with the call_id {found[1]!r}")
