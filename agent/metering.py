"""How much of its limits a project or a key has used: counted in the ledger, enforced with counters in Redis.

The ledger is what is true. The counters are filled from it when they are missing, and again every second while runs are
under way; what is let in is counted there at once, so that two requests of the same moment cannot both be the last one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from agent.access import Limits

LimitName = Literal["requests_per_min", "tokens_per_min", "concurrent_runs", "usd_per_day"]
WINDOW_S = 60
STALE_S = 10
"""Counters that nobody has filled for so long while runs were under way are filled before they are believed."""
OPENING_S = 10
"""A run that was let in no longer ago than that may yet be opened, although the ledger does not know it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A project, or one of its keys, and its limits."""

    project: str
    key: str | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class Used:
    """What the ledger knows of a scope. Counts stand under their age in whole seconds, for the last minute."""

    began: Mapping[int, int] = field(default_factory=dict)
    """Runs that were opened."""
    tokens: Mapping[int, int] = field(default_factory=dict)
    """Input and output of calls, under the age of their end."""
    open: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    """Runs that were opened in the last minute and have ended."""
    usd: Decimal = Decimal(0)
    """Spent since midnight, UTC; calls that nobody knows the outcome of count with the most they may have cost."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where a scope stands after a request. Times are in seconds, until nothing of the last minute counts any more."""

    requests: int
    tokens: int
    requests_reset_s: int
    tokens_reset_s: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request comes in. `rooms` are in the order of the scopes; none if the counters were not `known`."""

    rooms: Sequence[Room] = ()
    known: bool = True
    refused: LimitName | None = None
    by: int = 0
    """The number of the scope whose limit it is."""
    wait_s: int = 0
    """When there may be room again."""

    @property
    def passed(self) -> bool:
        return self.known and self.refused is None


class Meter(Protocol):
    """What the ledger knows. Raises `Transient`."""

    async def used(self, project: str, /) -> Mapping[str | None, Used]:
        """What each key of a project has used, by its id; under None the whole project."""


class Counters(Protocol):
    """The counters. Every method raises `Transient` if they cannot be reached."""

    async def enter(self, run: str, scopes: Sequence[Scope], /) -> Verdict:
        """Count a request that wants to open `run`, if every scope has room for it; all in one moment.

        The scopes are of one project.
        """

    async def fill(self, scopes: Sequence[Scope], used: Mapping[str | None, Used], /) -> bool:
        """Make the counters of these scopes what the ledger says; whether any run is under way.

        Requests that were counted here stay counted, and runs that were let in just now may not be in the ledger yet.
        """

    async def leave(self, run: str, scopes: Sequence[Scope], /) -> None:
        """A run has ended, or will not be opened: its place is free."""
