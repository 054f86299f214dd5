"""Dead letters as an operator handles them: what they are, which of them, and why one cannot be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from agent.ports import Pointer

State = Literal["open", "settled", "any"]
SettledAs = Literal["replayed", "discarded"]


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `run`, `generation`, `seq` and `attempt` are None for an entry that belongs to no run."""

    id: str
    run: str | None
    generation: int | None
    seq: int | None
    route: str
    attempt: int | None
    kind: str
    """The error class."""
    reason: str
    agent: str
    """Empty for an entry that belongs to no run."""
    created_at: datetime
    settled_at: datetime | None = None
    settled_by: str | None = None
    settled_as: SettledAs | None = None


@dataclass(frozen=True, slots=True)
class LetterStory:
    """A dead letter with everything it carries."""

    letter: Letter
    body: str
    """JSON: what the step was given, or the fields of an entry that could not be read."""
    history: str
    """JSON: every attempt and call of the run's generation, with errors, times and cost."""
    raw: bytes | None
    """The entry as the stream held it, as a RESP array of names and values; None for work that could be read."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters; None leaves a property open. Ages are in seconds, reckoned at `until` (now if None)."""

    route: str | None = None
    kind: str | None = None
    agent: str | None = None
    run: str | None = None
    older_than_s: float | None = None
    younger_than_s: float | None = None
    state: State = "open"
    until: datetime | None = None
    """Letters written after this moment do not belong: a bulk replay must not meet what it buries itself."""
    ids: Sequence[str] | None = None
    """Only these letters."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a bulk replay would touch, and what it may cost."""

    count: int
    replayable: int
    spent_usd: Decimal | None
    """What the replayable ones' runs have cost so far; None where the price of a call is unknown."""
    estimate_usd: Decimal | None
    """What completed runs of the same agents cost on average, summed up; None where an agent has no such run."""


class Refusal(StrEnum):
    """Why a dead letter is left as it is. The value is data; `REASONS` has the words."""

    UNKNOWN = "unknown"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    RUNLESS = "runless"
    GONE = "gone"
    OPEN = "open"
    SUPERSEDED = "superseded"
    NOT_FAILED = "not_failed"


REASONS = {
    Refusal.UNKNOWN: "there is no dead letter with this id",
    Refusal.REPLAYED: "it was replayed already; `cuelight show RUN` tells what came of it",
    Refusal.DISCARDED: "it was discarded already",
    Refusal.RUNLESS: "it belongs to no run, so nothing can be run again: discard it",
    Refusal.GONE: "its run was deleted or is no longer kept, so nothing can be run again: discard it",
    Refusal.OPEN: "its run is open: wait for its ending",
    Refusal.SUPERSEDED: "its run has been driven again since: discard it",
    Refusal.NOT_FAILED: "its run did not fail: discard it",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one dead letter. With `refused` None it was settled here, as `run`'s `generation` if replayed."""

    letter: str
    refused: Refusal | None
    run: str | None = None
    generation: int | None = None
    settled_by: str | None = None
    """Who settled it, now or earlier."""
    pointer: Pointer | None = None
    """Where a replayed run stands now, for whoever publishes it at once; the relay does it otherwise."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a replay has to know of a run: its newest generation, its status, and whether its text is still there."""

    generation: int
    status: str
    purged: bool
    has_event: bool
    """Whether the event that could not be handled is still kept."""


def refusal(letter: Letter | None, run: Standing | None) -> Refusal | None:
    """Why a letter cannot be replayed, by the letter and its run (None: not there); None if it can."""
    if letter is None:
        return Refusal.UNKNOWN
    if letter.settled_as is not None or letter.settled_at is not None:
        return Refusal.REPLAYED if letter.settled_as == "replayed" else Refusal.DISCARDED
    if letter.run is None:
        return Refusal.RUNLESS
    if run is None or run.purged or not run.has_event:
        return Refusal.GONE
    if run.generation != letter.generation:
        return Refusal.SUPERSEDED
    if run.status == "in_progress":
        return Refusal.OPEN
    return None if run.status == "failed" else Refusal.NOT_FAILED


Place = tuple[datetime, str]
"""Where a walk through dead letters stands: the last one's time and id."""


class Letters(Protocol):
    """The dead letters of the ledger. Every method raises `Transient` if the store cannot be reached."""

    async def letters(self, chosen: Filter, most: int, after: Place | None = None, /) -> Sequence[Letter]:
        """At most `most` dead letters after a place, the oldest first."""

    async def letter(self, id: str, /) -> LetterStory | None:
        """One dead letter with everything it carries, or None."""

    async def tally(self, chosen: Filter, /) -> Tally:
        """How many there are, and what replaying them may cost."""

    async def replay(self, ids: Sequence[str], by: str, /) -> Sequence[Verdict]:
        """Open the next generation of each letter's run, from the event that could not be handled, and settle the
        letter: all of it in one write, put on the audit in the name of `by`. Answers on record are used again. The
        run gets the time that it had at first. Letters that cannot be replayed are left as they are, and it is said
        why; doing it twice is harmless. One verdict per id, in the same order."""

    async def discard(self, ids: Sequence[str], by: str, /) -> Sequence[Verdict]:
        """Settle letters without running anything again, put on the audit in the name of `by`."""
