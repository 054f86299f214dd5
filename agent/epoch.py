"""Whether Redis is still the one we know: an epoch and a growing mark stand in the ledger and in Redis, and must agree.

The ledger's mark is written first and is one ahead, so a Redis that shows an older one went back in time, and one that
shows a newer one outlived a ledger that was restored from a backup.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Change(StrEnum):
    """What happened to Redis since the last look. The value is the word in logs and metrics."""

    NONE = "none"
    FIRST = "first"
    """This ledger has never seen a Redis, and this Redis no ledger."""
    WIPED = "wiped"
    """It lost everything, or is another server."""
    REWOUND = "rewound"
    """It is older than it was: its file was cut short, an old copy was put back, a replica took over."""
    RESTORED = "restored"
    """The ledger is older than Redis: a backup was restored, or a replica took over that lacked the last moments."""
    RESTARTED = "restarted"
    """Another process serves what the last one held, but for what it held less than a second ago, perhaps."""
    REGROUPED = "regrouped"
    """A stream or its group was gone, and a reader made it again."""
    ARRIVED = "arrived"
    """The new epoch, begun after one of these, now stands in Redis too."""

    @property
    def begins_epoch(self) -> bool:
        """Whether the streams can no longer be believed at all."""
        return self in (Change.FIRST, Change.WIPED, Change.REWOUND, Change.RESTORED)

    @property
    def lost(self) -> bool:
        """Whether Redis lost something for certain."""
        return self in (Change.WIPED, Change.REWOUND)


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of Redis. An empty `epoch` means that it has seen none."""

    epoch: str
    mark: int
    """0 until the epoch has been seen in Redis."""
    server: str
    """The server's `run_id`; empty where it keeps that to itself."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What Redis says of itself, as it was before anything was written there now. `epoch` is empty if none is there."""

    epoch: str
    mark: int
    server: str
    regrouped: bool = False
    """Whether a reader had to make its group since the last look."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at both."""

    change: Change
    known: Known
    seen: Seen
    losses: int
    """How often Redis has lost something so far, this time included."""


Meet = Callable[[Known], Awaitable[Seen]]
"""Tells Redis what the ledger knows: it writes that down where it follows from what stands there, and says what stood
there. Without an epoch it only looks. Raises `Transient`; then it may or may not have been written."""


class Epochs(Protocol):
    """The ledger's side. Every method raises `Transient` if the store, or what it calls, is away."""

    async def look(self, meet: Meet, within_s: float, lease_s: float) -> Look | None:
        """Compare both sides, and write on. None if a relay looked within `within_s`, or is looking now.

        After anything but `NONE` an audit of all open work is due once `lease_s` have passed.
        """

    async def believes(self, meet: Meet, *, auditing: bool = False) -> bool:
        """Whether what Redis said just before can be believed: it is the server of the ledger's epoch still.

        Unless it is asked for the sake of the audit itself, one that is due or under way speaks against that.
        """

    async def claim_audit(self) -> str | None:
        """A token for the audit that is due, for a while; None if there is none, or another relay has it."""

    async def audited(self, token: str) -> None:
        """The audit is done; one that became due meanwhile stays."""


def judge(known: Known, seen: Seen) -> Change:
    """What happened, by what both sides say."""
    if not known.epoch:
        return Change.RESTORED if seen.epoch else Change.FIRST
    if seen.epoch != known.epoch:
        return _of_another_epoch(known, seen)
    if seen.mark > known.mark:
        return Change.RESTORED
    if seen.mark < known.mark - 1:
        return Change.REWOUND
    if known.server and seen.server and known.server != seen.server:
        return Change.RESTARTED
    return Change.REGROUPED if seen.regrouped else Change.NONE


def _of_another_epoch(known: Known, seen: Seen) -> Change:
    if seen.epoch and number(seen.epoch) >= number(known.epoch):
        return Change.RESTORED
    if known.mark == 0:
        return Change.ARRIVED
    return Change.REWOUND if seen.epoch else Change.WIPED


def next_epoch(known: Known, seen: Seen) -> str:
    """A name for an epoch that neither side has had, and that comes after those of both."""
    return f"{max(number(known.epoch), number(seen.epoch)) + 1}-{os.urandom(6).hex()}"


def number(epoch: str) -> int:
    """Epochs are counted; 0 for none, and for what is no epoch of ours."""
    digits = epoch.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
