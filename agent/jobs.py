"""Long work of operators: bulk replays and discards, retention, evaluations. The ledger holds the truth about each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from agent.letters import Filter, Place, SettledAs, Verdict

Kind = Literal["replay", "discard", "retention", "evaluation"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDINGS: tuple[State, ...] = ("done", "failed", "cancelled")
END = "end"
"""The place of a job that has nothing left to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the ledger holds it."""

    id: str
    kind: Kind
    arguments: str
    """JSON: for letters `filter` and `rate`, letters per second; the id of an `evaluation`."""
    asked_by: str
    state: State
    done: int
    """How many things it has looked at and settled, or removed."""
    total: int | None
    """How many there were when it was asked for; None where nobody counted."""
    place: str
    """Where it goes on after a crash; empty at the beginning."""
    result: str
    """JSON: counts by what became of the things; for a failed job `error` too."""
    cancel_asked: bool
    created_at: datetime
    started_at: datetime | None
    seen_at: datetime | None
    """When its holder last wrote of it."""
    ended_at: datetime | None
    holder: str | None
    """Whoever works on it now."""

    @property
    def ended(self) -> bool:
        return self.state in ENDINGS

    @property
    def counts(self) -> dict[str, Any]:
        """The result as an object."""
        found: Any = json.loads(self.result or "{}")
        return dict(found)

    @property
    def rate(self) -> float | None:
        """Letters per second; None for as fast as it goes."""
        found = json.loads(self.arguments).get("rate")
        return None if found is None else float(found)

    @property
    def filter(self) -> Filter:
        """Which letters it is about: those only that were there when it was asked for."""
        return Filter(**{**json.loads(self.arguments)["filter"], "until": self.created_at})


def of_letters(chosen: Filter, rate: float | None) -> str:
    """The arguments of a job about dead letters: the same wish gives the same text."""
    named = {name: value for name, value in asdict(chosen).items() if value is not None and name != "until"}
    return json.dumps({"filter": named, "rate": rate}, sort_keys=True)


def place_of(place: Place) -> str:
    """A place in a walk through letters as text."""
    return json.dumps([place[0].isoformat(), place[1]])


def place_in(job: Job) -> Place | None:
    """Where a walk through letters goes on; None at its beginning."""
    if not job.place:
        return None
    at, id = json.loads(job.place)
    return datetime.fromisoformat(at), id


class CannotGoOn(Exception):
    """A job ends before it is through. Why, and what to do, is told to whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The right of one process to work on a job, until another takes the job over."""

    job: str
    holder: str


class Jobs(Protocol):
    """The jobs in the ledger. Every method raises `Transient` if the store cannot be reached.

    Methods that take a `Hold` change nothing and give None (or False) once the job ended or another holds it.
    """

    async def ask(self, kind: Kind, arguments: str, by: str, total: int | None, /) -> tuple[Job, bool]:
        """Open a job and put it on the audit; True beside it. Or the open one that wants the same, and False."""

    async def ask_again(self, kind: Kind, arguments: str, by: str, every_s: float, /) -> Job | None:
        """Open a periodic job; None if one of its kind is open, or was opened less than `every_s` ago."""

    async def job(self, id: str, /) -> Job | None:
        """One job, or None."""

    async def jobs(self, most: int, /, *, open_only: bool = False) -> Sequence[Job]:
        """The newest jobs first."""

    async def cancel(self, id: str, by: str, /) -> Job | None:
        """Ask for its end and put it on the audit; one that nobody has begun ends at once. The job, or None."""

    async def lost(self, lease_s: float, /) -> Sequence[str]:
        """Jobs that nobody works on: queued ones, and those whose holder was not seen for `lease_s`."""

    async def take(self, hold: Hold, lease_s: float, /) -> Job | None:
        """Begin a job or take it over; None if it ended, or its holder was seen within `lease_s`."""

    async def see(self, hold: Hold, /) -> Job | None:
        """Say that we are still at it; the job as it is now."""

    async def note(self, hold: Hold, done: int, counts: Mapping[str, int], place: str, /) -> Job | None:
        """Add to `done` and to the counts of the result, and move on to `place`."""

    async def settle(self, hold: Hold, how: SettledAs, letters: Sequence[str], place: str, /) -> Settled | None:
        """Replay or discard letters, and note it with its place: all of it in one write."""

    async def end(self, hold: Hold, state: State, error: str = "", /) -> bool:
        """The job is over."""

    async def hand_back(self, hold: Hold, /) -> bool:
        """Let another process go on with it at once."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a batch of letters, and the job after it."""

    job: Job
    verdicts: Sequence[Verdict]


def counted(verdicts: Sequence[Verdict], how: SettledAs) -> dict[str, int]:
    """How many letters became what: settled, or left alone by reason."""
    counts: dict[str, int] = {}
    for verdict in verdicts:
        # a letter that somebody else settled in the same way is no success of ours
        name = how if verdict.refused is None else f"refused_{verdict.refused}"
        counts[name] = counts.get(name, 0) + 1
    return counts


def added(counts: Mapping[str, Any], more: Mapping[str, int]) -> str:
    """A result with more in it, as JSON."""
    return json.dumps({**counts, **{name: int(counts.get(name, 0)) + value for name, value in more.items()}})
