"""Calls of tools that somebody has to approve before they are made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from agent.events import ApprovalDecided, ApprovalRequested
from agent.items import FunctionCall

APPROVED = "approved"
"""The route that a run goes on with once somebody has decided."""
MOST_LISTED = 200
MOST_REASON_CHARS = 500


class Decided(Enum):
    """What became of a decision."""

    DONE = "done"
    """The run goes on by it."""
    OVER = "over"
    """The run waits for no approval: somebody was first, its time was over, or it never wanted one."""
    UNKNOWN = "unknown"
    """There is no such run."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody says: the calls that may be made, by their ids, or all (True) or none (False) of them."""

    approve: bool | frozenset[str]
    by: str
    reason: str = ""

    def on(self, asked: ApprovalRequested) -> ApprovalDecided:
        """The decision as a fact. Raises `ValueError` naming a call that waits for nothing."""
        waiting = [call.call_id for call in asked.calls]
        approved = self._approved(waiting)
        denied = tuple(call for call in waiting if call not in approved)
        return ApprovalDecided(
            approved=approved, denied=denied, by=self.by, reason=self.reason[:MOST_REASON_CHARS], round=asked.round
        )

    def _approved(self, waiting: Collection[str]) -> tuple[str, ...]:
        if isinstance(self.approve, bool):
            return tuple(waiting) if self.approve else ()
        for call in self.approve:
            if call not in waiting:
                raise ValueError(f"no call {call[:80]!r} waits for an approval; there is {', '.join(waiting)}")
        return tuple(call for call in waiting if call in self.approve)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that waits. `until` is when its calls are denied by themselves, or the run is over."""

    run: str
    project: str
    agent: str
    calls: tuple[FunctionCall, ...]
    since: datetime
    until: datetime


class Approvals(Protocol):
    """A decision races with other decisions, cancels and the deadline for the one work row: the first wins."""

    async def waiting(self, project: str | None, /) -> Sequence[Waiting]:
        """The runs of a project (None: of all) that wait, the longest first, 200 at most. Raises `Transient`."""

    async def decide(self, run: str, project: str | None, decision: Decision, /) -> Decided:
        """Have a run of this project (None: of any) go on, and put it on the audit.

        Raises `Transient`, and `ValueError` for a call that does not wait.
        """
