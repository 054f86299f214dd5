"""What becomes of calls that nobody approved in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.approvals import Decision
from agent.effects import Ask
from agent.events import ApprovalRequested, Event
from agent.run import Run

NOBODY = "deadline"
"""Who decided where nobody did."""


@dataclass(frozen=True, slots=True)
class Expire:
    """Denies all of them. The run rests until it is time for this; whoever decides before moves it on."""

    async def __call__(self, event: ApprovalRequested, run: Run, ask: Ask, /) -> Sequence[Event]:
        return [Decision(approve=False, by=NOBODY, reason="nobody approved it in time").on(event)]
