"""The jobs of the in-memory ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from agent.envelope import scrub
from agent.jobs import Hold, Job, Kind, Settled, State, added, counted
from agent.letters import SettledAs
from agent.testing.letters import MemoryLetters
from agent.testing.memory import MemoryLedger
from agent.testing.rows import AuditRow


class MemoryJobs:
    """See `agent.jobs.Jobs`: the twin, beside a `MemoryLedger` and its letters."""

    def __init__(self, ledger: MemoryLedger, letters: MemoryLetters) -> None:
        self._ledger = ledger
        self._letters = letters
        self._jobs: dict[str, Job] = {}
        self._numbers = count(1)

    async def ask(self, kind: Kind, arguments: str, by: str, total: int | None, /) -> tuple[Job, bool]:
        await self._ledger.ping()
        for job in self._jobs.values():
            if (job.kind, job.arguments) == (kind, arguments) and not job.ended:
                return job, False
        job = self._open(kind, arguments, by, total)
        self._ledger.audit.append(AuditRow(scrub(by), f"job.{kind}", job.id))
        return job, True

    async def ask_again(self, kind: Kind, arguments: str, by: str, every_s: float, /) -> Job | None:
        await self._ledger.ping()
        since = self._now - timedelta(seconds=every_s)
        if any(job.kind == kind and (not job.ended or job.created_at > since) for job in self._jobs.values()):
            return None
        return self._open(kind, arguments, by, None)

    async def job(self, id: str, /) -> Job | None:
        await self._ledger.ping()
        return self._jobs.get(id)

    async def jobs(self, most: int, /, *, open_only: bool = False) -> Sequence[Job]:
        await self._ledger.ping()
        found = [job for job in reversed(self._jobs.values()) if not open_only or not job.ended]
        return found[:most]

    async def cancel(self, id: str, by: str, /) -> Job | None:
        await self._ledger.ping()
        job = self._jobs.get(id)
        if job is None or job.ended or job.cancel_asked:
            return job
        self._ledger.audit.append(AuditRow(scrub(by), "job.cancel", id))
        if job.state == "queued":
            return self._put(job, cancel_asked=True, state="cancelled", ended_at=self._now)
        return self._put(job, cancel_asked=True)

    async def lost(self, lease_s: float, /) -> Sequence[str]:
        await self._ledger.ping()
        return [job.id for job in self._jobs.values() if self._free(job, lease_s)]

    async def take(self, hold: Hold, lease_s: float, /) -> Job | None:
        await self._ledger.ping()
        job = self._jobs.get(hold.job)
        if job is None or not self._free(job, lease_s):
            return None
        now = self._now
        return self._put(job, state="running", holder=hold.holder, seen_at=now, started_at=job.started_at or now)

    async def see(self, hold: Hold, /) -> Job | None:
        await self._ledger.ping()
        job = self._held(hold)
        return None if job is None else self._put(job, seen_at=self._now)

    async def note(self, hold: Hold, done: int, counts: Mapping[str, int], place: str, /) -> Job | None:
        await self._ledger.ping()
        job = self._held(hold)
        return None if job is None else self._note(job, done, counts, place)

    async def settle(self, hold: Hold, how: SettledAs, letters: Sequence[str], place: str, /) -> Settled | None:
        await self._ledger.ping()
        job = self._held(hold)
        if job is None:
            return None
        verdicts = self._letters.settled(letters, how, f"{job.asked_by} ({job.id})")
        return Settled(self._note(job, len(verdicts), counted(verdicts, how), place), verdicts)

    async def end(self, hold: Hold, state: State, error: str = "", /) -> bool:
        await self._ledger.ping()
        job = self._held(hold)
        if job is None:
            return False
        result = added({**job.counts, "error": scrub(error)}, {}) if error else job.result
        self._put(job, state=state, result=result, ended_at=self._now, holder=None)
        return True

    async def hand_back(self, hold: Hold, /) -> bool:
        await self._ledger.ping()
        job = self._held(hold)
        return job is not None and bool(self._put(job, state="queued", holder=None, seen_at=None))

    @property
    def _now(self) -> Any:
        return self._ledger.clock.now()

    def _open(self, kind: Kind, arguments: str, by: str, total: int | None) -> Job:
        id, begun = f"job_{next(self._numbers)}", ("queued", 0, total, "", "", False, self._now)
        job = Job(id, kind, arguments, scrub(by), *begun, None, None, None, None)  # type: ignore[arg-type]
        self._jobs[id] = job
        return job

    def _free(self, job: Job, lease_s: float) -> bool:
        late = job.seen_at is not None and job.seen_at < self._now - timedelta(seconds=lease_s)
        return job.state == "queued" or (job.state == "running" and late)

    def _held(self, hold: Hold) -> Job | None:
        job = self._jobs.get(hold.job)
        return job if job is not None and job.state == "running" and job.holder == hold.holder else None

    def _note(self, job: Job, done: int, counts: Mapping[str, int], place: str) -> Job:
        more = {"done": job.done + done, "result": added(job.counts, counts), "place": place}
        return self._put(job, **more, seen_at=self._now)

    def _put(self, job: Job, **changes: Any) -> Job:
        self._jobs[job.id] = replace(job, **changes)
        return self._jobs[job.id]
