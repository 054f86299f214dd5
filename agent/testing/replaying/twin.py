"""The ledger of a replay: the twin, standing where a generation of a run began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.cases import Asked, Attempt, Case
from agent.cases.case import closed
from agent.envelope import Envelope, Key
from agent.ports import Begun, CallStatus, Delivery, NewRun, Pointer
from agent.testing.clock import HeldClock
from agent.testing.memory import MemoryLedger
from agent.testing.rows import AttemptRow, CallRow, RunRow, WorkRow

PLENTY_S = 3_600.0
"""How fast this machine is must not decide whether an attempt is in time."""


class Unhurried(MemoryLedger):
    """A ledger in memory whose clock alone says when a run's time is over."""

    async def begin(self, delivery: Delivery, /) -> Begun | None:
        begun = await super().begin(delivery)
        if begun is not None and begun.remaining_s > 0:
            begun.remaining_s = max(begun.remaining_s, PLENTY_S)
        return begun

    def lose(self, run: str, generation: int, attempt: Attempt, token: str) -> None:
        """Put an attempt on record that the run did not go on by, with what it asked."""
        key = Key(run, generation, attempt.seq)
        told = attempt.model_dump(include={"route", "attempt", "delivery", "outcome", "error_kind", "error", "delay_s"})
        row = AttemptRow(token, key, worker="", entry="", began_at=attempt.began_at, **told)
        row.begins, row.settled, row.ended_at = attempt.begins, attempt.settled, attempt.ended_at
        self.attempts[token] = row
        for asked in attempt.asked:
            self.put(asked, key, token)

    def put(self, asked: Asked, key: Key, token: str) -> None:
        """Put a question on record with what came of it."""
        name = f"{token}-{len(self.calls)}"
        fault = asked.fault
        self.calls[name] = CallRow(
            id=name,
            token=token,
            key=key,
            effect_type=asked.type,
            effect_hash=asked.hash,
            occurrence=asked.occurrence,
            status=_status(asked),
            answer=None if asked.answer is None else closed(asked.answer),
            error_kind=fault.kind if fault else None,
            error=fault.message if fault else None,
            usage=asked.usage,
            cost_usd=asked.cost_usd,
            worst_case_usd=asked.worst_case_usd,
            order=next(self._numbers),
            fault=fault.columns() if fault else None,
            effect=closed(asked.effect),
            model=asked.model,
            endpoint=asked.endpoint,
            asked_at=asked.asked_at,
            ended_at=asked.ended_at,
        )


class Twin(Unhurried):
    """A ledger that holds one run as it stood when the generation of a case began."""

    def __init__(self, case: Case, route: str) -> None:
        super().__init__(HeldClock(case.run.began_at))
        run = case.run
        new = NewRun(
            id=run.id,
            project=run.project,
            agent=case.agent.name,
            agent_version=case.agent.version,
            prompts=case.prompts,
            request=closed(case.request),
            store=run.store,
            first=case.events[0].sealed(run.trace),
            route=route,
            deadline_s=(run.deadline - run.began_at).total_seconds(),
            trace=run.trace,
        )
        reopened_at = None if run.generation == 1 else run.began_at
        self.runs[run.id] = RunRow(
            new, run.created_at, run.deadline, generation=run.generation, reopened_at=reopened_at
        )
        self.events[run.id] = [
            Envelope(Key(run.id, run.generation, event.seq), event.sealed(run.trace), event.at)
            for event in case.events
            if event.seq <= run.began_with
        ]
        at = Pointer(run.id, run.generation, run.began_with, route, 1, run.project, run.trace)
        self.work[run.id] = WorkRow(at, run.began_at)
        for place, asked in enumerate(case.earlier):
            self.put(asked, Key(run.id, asked.generation or 1, asked.seq or 1), f"earlier-{place}")

    def stand(self, work: WorkRow, attempt: Attempt, at: datetime) -> None:
        """Let the work be as it was when this attempt began."""
        self.clock.advance_to(at)
        work.due_at, work.entry, work.deliveries = self.clock.now(), None, attempt.delivery - 1
        if attempt.begins is not None:
            work.begins = attempt.begins - 1

    def texts(self, run: str, generation: int) -> Sequence[tuple[str, int, str]]:
        """The events of a generation so far."""
        return [
            (it.sealed.type, it.sealed.version, it.sealed.data)
            for it in self.events[run]
            if it.key.generation == generation
        ]


def _status(asked: Asked) -> CallStatus:
    known: dict[str, CallStatus] = {"answered": "answered", "failed": "failed"}
    return known.get(asked.status, "unknown")
