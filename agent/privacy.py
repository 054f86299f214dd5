"""Forgetting the texts of runs. A purged run keeps its row: ids, times, status, usage and cost, and no text."""

from __future__ import annotations

from typing import Protocol


class Privacy(Protocol):
    """Every method raises `Transient` if the store cannot be reached."""

    async def forget(self, run: str, project: str, /) -> bool:
        """Nobody shall read this run from now on; its texts go as soon as it has ended.

        False if there is no such run, or if that was asked before.
        """

    async def expire(self, older_than_s: float, most: int, /) -> int:
        """As `forget`, for at most `most` responses that ended and were opened so long ago; how many that were."""

    async def purge(self, grace_s: float, most: int, /) -> int:
        """Remove every text of at most `most` runs that have ended and are to be forgotten; how many that were.

        Those are: runs that somebody asked to forget, and runs that are not to be stored once their ending was
        delivered, or nobody can come for it any more. One whose events the feed has not told yet, or that may still be
        asked for, waits; `grace_s` after its ending no run does. What is written of a purged run later has no text.
        """
