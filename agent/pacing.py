"""Pacing: when a model may be called, decided for all workers together.

Before a call a worker reserves what it may use up, and settles what it did use up afterwards. Both are one step in the
store that the workers share, by its clock. A model that said how long to wait, or whose breaker is open, is on *hold*
for everybody; every process keeps a copy of the holds (`Board`), which is told of each change.

None of this is true in the ledger's sense: a store that forgets it costs some calls that are turned away, and no run.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

LEASE_S = 10.0
"""A call whose worker was not heard of for so long gives its place back."""
PATIENCE_S = 1.0
"""After a pause one call goes first. It is not refused within that time: the others follow."""
PROBE_S = 10.0
"""A breaker lets one call through to see whether all is well; if nothing is heard of it, another one so much later."""
SHORT_S = 0.25
"""What a call waits whose turn depends on another one that is under way."""
WINDOW_S = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of a model all workers may use up together; None where there is no limit.

    `requests_per_min` and `tokens_per_min` hold for any sixty seconds, `usd_per_day` from midnight to midnight, UTC.
    """

    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrency: int | None = None
    usd_per_day: Decimal | None = None


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A model at an endpoint."""

    endpoint: str
    model: str


@dataclass(frozen=True, slots=True)
class Paid:
    """A model that costs something: where it is, and how much of it may be used up."""

    target: Target
    allowance: Allowance = Allowance()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that is about to be made: the most tokens and USD it may use up (None: nobody knows)."""

    target: Target
    agent: str
    """Whose checks judge the answer: see `judged_by`."""
    call: str
    """An id that no other call has."""
    tokens: int = 0
    usd: Decimal | None = None
    allowance: Allowance = Allowance()


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a model is left alone, and for how many seconds yet; 0 tells that it is free again.

    `kind` is a class of failure, or the limit that is used up. `agent` is set where only calls of one agent in one
    project are held.
    """

    target: Target
    kind: str
    left_s: float
    agent: str = ""
    probing: bool = False
    """The time is over, and one call is under way to see whether all is well."""
    opened: int = 0
    """How often the breaker opened in a row."""
    wait_s: float | None = None
    """When this very caller should ask again; None for when the hold ends."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The call may be made. `second` is when that was, by the store's clock."""

    wanted: Wanted
    second: int
    probes: int = 0
    """Others wait for what comes of this one: 1 all who want the model, 2 its agent's, 3 both."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a call. `kind` is `ok`, `unmade`, `unknown` or the class of its failure."""

    kind: str
    tokens: int | None = None
    usd: Decimal | None = None
    wait_s: float | None = None
    """What the endpoint asked for."""


def judged_by(agent: str, project: str) -> str:
    """For whom verdicts are counted: an agent in one project, whatever others ask it."""
    return f"{agent}@{project}"


class Pacer(Protocol):
    """The store that workers share. Every method raises `Transient` (`streams`) if it cannot be reached."""

    async def reserve(self, wanted: Wanted, /) -> Turn | Hold:
        """A turn, if there is no hold and room within the allowance: all of it is taken, or nothing.

        A hold of a limit says when this very caller should ask again; those that ask meanwhile get later times. What
        a model has cost today comes from the ledger where the store does not know it.
        """

    async def settle(self, turn: Turn, came: Came, /) -> None:
        """Give back what was not used, and put the model on hold if what came of the call says so.

        A hold is made longer by this, and never shorter.
        """

    async def judge(self, target: Target, agent: str, valid: bool, /) -> None:
        """Count the verdict on an answer of this model for whoever `judged_by` names."""

    async def renew(self, turns: Sequence[Turn], /) -> None:
        """Keep the places of calls that are still under way."""

    async def holds(self, targets: Sequence[Target], /) -> Sequence[Hold]:
        """What is on hold now, for all or for one agent of a project."""

    async def resume(self, target: Target, /) -> bool:
        """End every hold of a model and forget what the model's own breaker counted; False if there was none."""

    def heard(self) -> AsyncIterator[Hold]:
        """Each hold as it is made, made longer or ended, from now on."""


class Board:
    """What this process knows of holds, by its own monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[Target, str], tuple[float, Hold]] = {}

    def put(self, hold: Hold) -> None:
        """Believe it."""
        if hold.left_s > 0:
            self._known[hold.target, hold.agent] = (self._clock() + hold.left_s, hold)
        else:
            self._known.pop((hold.target, hold.agent), None)

    def extend(self, hold: Hold) -> None:
        """Believe it unless a longer one is known: what this process was told itself, before anybody else knows."""
        known = self.held(hold.target, hold.agent)
        if known is None or known.left_s < hold.left_s:
            self.put(hold)

    def replace(self, holds: Iterable[Hold]) -> None:
        """Believe these and no others."""
        self._known.clear()
        for hold in holds:
            self.put(hold)

    def held(self, target: Target, agent: str = "") -> Hold | None:
        """The hold on a model, or on it for one agent."""
        return self._of(target, "") or (self._of(target, agent) if agent else None)

    def all(self) -> Sequence[Hold]:
        """Every hold that is known."""
        found = (self._of(*place) for place in tuple(self._known))
        return [hold for hold in found if hold is not None]

    def _of(self, target: Target, agent: str) -> Hold | None:
        until, hold = self._known.get((target, agent), (0.0, None))
        left_s = until - self._clock()
        return replace(hold, left_s=left_s) if hold is not None and left_s > 0 else None
