"""What the ledger does not keep for ever, and for how long it keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

WHAT = ("responses", "dead_letters", "jobs", "instances", "audit", "webhook_deliveries", "evaluations")
"""In this order. Responses are only asked to be forgotten: their texts go as those of deleted ones do.

Dead letters that wait for an operator, jobs that are open, and deliveries that are still to be made, are kept whatever
their age.
"""

Keep = Mapping[str, float]
"""For how many seconds each of `WHAT` is kept."""


class Retention(Protocol):
    """Every method raises `Transient` if the store cannot be reached."""

    async def expired(self, keep: Keep, /) -> Mapping[str, int]:
        """How many of each there are whose time is over."""

    async def forget(self, what: str, keep_s: float, most: int, /) -> int:
        """Remove at most `most` of them; how many that were."""
