"""A run taken through its own steps again: attempt by attempt, each as it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from structlog.testing import capture_logs

from agent.cases import Attempt, Case, Happened, made
from agent.cases.comparing import Difference, first_difference
from agent.definition import Agent, BoundAgent
from agent.envelope import unseal
from agent.events import Ending
from agent.outcome import Advance, Bury, Outcome, Postpone, failure_of
from agent.ports import Delivery
from agent.prompting import PromptBook
from agent.testing.cancels import taken
from agent.testing.cases import case_rows
from agent.testing.guard import forbid_live_calls
from agent.testing.replaying.binding import bound_for
from agent.testing.replaying.recorded import Limits, Missing, Place, Recorded, Turns, is_late
from agent.testing.replaying.twin import Twin
from agent.testing.streams import MemoryStreams
from workers.decide import Decider
from workers.handle import handle

OUTSIDE = frozenset({"ledger", "streams", "gone", "unfamiliar", "unstorable"})
"""Errors of the process and the engines of that day, which no step can meet here: their outcome is taken as it was."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to: the run as it went now, and where it left the record, if it did."""

    then: Case
    now: Case
    missing: Missing | None
    difference: Difference | None

    @property
    def as_recorded(self) -> bool:
        """Whether every event came as it had come, byte for byte, and every attempt and the cost as well."""
        return self.missing is None and self.difference is None


async def replay(case: Case, agent: Agent | str | None = None) -> Replayed:
    """Run a case as it was recorded, with the agent that it names or this one. Nothing calls out: see `Missing`.

    Raises `Misconfigured` if the agent cannot be had, or does not fit its prompts.
    """
    bound, book = bound_for(case, agent)
    return await as_recorded(case, bound, book)


async def as_recorded(case: Case, bound: BoundAgent, book: PromptBook) -> Replayed:
    """As `replay`, with an agent that is bound already."""
    stage, missing = Stage(case, bound, book), None
    try:
        with forbid_live_calls(loopback=False), capture_logs():  # what failed then is no news
            await stage.play()
    except Missing as error:
        missing = error
    now = stage.account()
    return Replayed(case, now, missing, None if missing else first_difference(case, now))


class NoArchive:
    """Every prompt of the run is in the case."""

    async def keep_prompt(self, name: str, version: str, sources: str) -> None:
        return None

    async def kept_prompt(self, name: str, version: str) -> str | None:
        return None


class Stage:
    """Plays the attempts of a case in their order, and what happened between them at its place."""

    def __init__(self, case: Case, bound: BoundAgent, book: PromptBook) -> None:
        self.case, self.bound, self.book = case, bound, book
        self.place = Place(case)
        self.perform = Recorded(None, None, place=self.place)  # type: ignore[arg-type]  # it has no other door
        self.ledger, self.streams = Twin(case, self._first_route()), MemoryStreams()
        self._lost = [it for it in enumerate(case.attempts) if not it[1].counts]

    async def play(self) -> None:
        """To the ending, or to where the run leaves the record. Raises `Missing`."""
        for attempt in self.case.attempts:
            if attempt.counts:
                await self._outside(attempt.seq, attempt.route)
                if not self._stands_at(attempt):
                    return
                self._lose(attempt.began_at)
                await self._take(attempt)
                if not self._follows():
                    return
        await self._outside(self.case.ending.seq, None)
        self._lose(None)

    def account(self) -> Case:
        """The run as it went here."""
        rows = case_rows(self.ledger, self.case.run.id, self.book)
        assert rows is not None  # noqa: S101  # it was put there
        account = made(rows, spec=self.case.agent.spec, models=self.case.agent.models, whole=False)
        return account.model_copy(update={"sources": self.case.sources})

    def _first_route(self) -> str:
        named = next((it.route for it in self.case.attempts), None)
        return named or self.bound.first_route

    def _stands_at(self, attempt: Attempt) -> bool:
        work = self.ledger.work.get(self.case.run.id)
        return work is not None and (work.pointer.seq, work.pointer.attempt) == (attempt.seq, attempt.attempt)

    def _follows(self) -> bool:
        """Whether everything that happened so far is what had happened."""
        told = self.ledger.texts(self.case.run.id, self.case.run.generation)
        return told == [(it.type, it.version, it.text) for it in self.case.events[: len(told)]]

    async def _outside(self, until: int, route: str | None) -> None:
        """Let happen what no attempt brought: an approval, a cancel, the end of the run's time."""
        work = self.ledger.work.get(self.case.run.id)
        if work is None or work.pointer.seq >= until:
            return
        events = [it for it in self.case.events if work.pointer.seq < it.seq <= until]
        if not events:
            return
        self.ledger.clock.advance_to(events[-1].at)
        begun = taken(work.pointer, self.ledger.runs[self.case.run.id], "replay")
        await self.ledger.commit(begun, self._happened(events, route))

    def _happened(self, events: Sequence[Happened], route: str | None) -> Advance:
        sealed = tuple(event.sealed(self.case.run.trace) for event in events)
        if route is not None:
            return Advance(sealed, route)
        last = unseal(sealed[-1], self.bound.catalogue)
        return Advance(sealed, None, last.status if isinstance(last, Ending) else self.case.run.status)

    def _lose(self, before: datetime | None) -> None:
        """Put on record what was lost before this moment: its answers may have been used again, and it was paid for."""
        run = self.case.run
        for place, attempt in list(self._lost):
            ended = [asked.ended_at or asked.asked_at for asked in attempt.asked]
            if before is None or all(at is None or at <= before for at in (*ended, attempt.began_at)):
                self.ledger.lose(run.id, run.generation, attempt, f"lost-{place}")
                self._lost.remove((place, attempt))

    async def _take(self, attempt: Attempt) -> None:
        run, self.place.attempt = self.case.run, attempt
        unknown = any(it.answer is None and it.fault is None for it in attempt.asked)
        in_time = not is_late(self.case, attempt) or unknown
        work = self.ledger.work[run.id]
        self.ledger.stand(work, attempt, attempt.began_at if in_time else max(attempt.began_at, run.deadline))
        delivery = Delivery(work.pointer, worker="replay")
        outcome = _outcome(attempt)
        if outcome is None:
            await handle(delivery, decide=self._decider(attempt), ledger=self.ledger, streams=self.streams)
            return
        begun = await self.ledger.begin(delivery)
        assert begun is not None  # noqa: S101  # the work stands there
        for asked in attempt.asked:
            self.ledger.put(asked, begun.pointer.key, begun.token)
        await self.ledger.commit(begun, outcome)

    def _decider(self, attempt: Attempt) -> Decider:
        poisoned = attempt.error_kind == "deliveries"
        return Decider(
            {self.case.agent.name: self.bound},
            self.perform,
            self.ledger,
            self.book,
            NoArchive(),
            watch=Limits(self.place),
            pacing=Turns(self.place.refused),
            max_deliveries=attempt.delivery - 1 if poisoned else attempt.delivery,
        )


def _outcome(attempt: Attempt) -> Outcome | None:
    """The outcome of an attempt that no step can come to here; None where one can."""
    kind = attempt.error_kind
    if kind not in OUTSIDE:
        return None
    if attempt.outcome == "bury":
        return Bury(kind, attempt.error or "", failure_of(kind))
    return Postpone(attempt.delay_s or 0.0, kind, attempt.error or "", counted=attempt.outcome == "postpone")
