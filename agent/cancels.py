"""Ending a run because nobody wants its answer any more."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from agent.events import CancelledBy


class Cancelled(Enum):
    """What became of the wish to cancel a run."""

    DONE = "done"
    """The run ended by it, just now."""
    OVER = "over"
    """The run had ended before, one way or another."""
    UNKNOWN = "unknown"
    """There is no such run."""


class Cancels(Protocol):
    """Cancelling races with outcomes and deadlines for the one work row: the first wins, the others change nothing."""

    async def cancel(self, run: str, project: str | None, by: CancelledBy, /) -> Cancelled:
        """End the run of this project (None: of any) by `run.cancelled`. Raises `Transient`.

        No paid call of the run begins after this; the answer of one that is under way is billed and never shown.
        """
