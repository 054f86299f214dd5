"""Does one job, batch by batch, until it is done, cancelled, somebody else's, or another one's turn has come."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import TypeVar

import structlog

from agent.errors import Transient
from agent.jobs import END, CannotGoOn, Hold, Job, Kind, State
from workers.jobs.doors import Doors
from workers.jobs.kinds import KINDS, Batch

log = structlog.get_logger(__name__)

T = TypeVar("T")

AGAIN_S = 0.5
"""How long to wait before an engine that was away is asked again."""
TURN_S = 5.0
"""How long a job is worked on while another one waits."""
BEAT_S = 1.0
"""The longest that a cancel goes unseen by a job that waits."""


class Clerk:
    """Works on jobs of which it can get hold, one after the other."""

    def __init__(
        self,
        doors: Doors,
        stop: asyncio.Event,
        give: Callable[[str], Awaitable[None]],
        waiting: Callable[[], Awaitable[Set[str]]],
        *,
        name: str,
        lease_s: float,
        kinds: Mapping[Kind, Batch] = KINDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`give` puts a job at the end of the queue, `waiting` tells which ones stand in it."""
        self._doors = doors
        self._stop = stop
        self._give = give
        self._waiting = waiting
        self._now = now
        self._name = name
        self._lease_s = lease_s
        self._kinds = kinds

    async def run(self, id: str, /) -> None:
        """Work on a job if nobody else does. What goes wrong is put on record as the job's end."""
        hold = Hold(id, f"{self._name}/{os.urandom(3).hex()}")  # unique: a second try is not the first one's heir
        job = await self._insist(lambda: self._doors.jobs.take(hold, self._lease_s))
        if job is None:
            return
        log.info("job_taken", job=id, kind=job.kind, place=job.place, done=job.done)
        try:
            await self._batches(hold, job)
        except CannotGoOn as error:
            log.warning("job_stopped", job=id, reason=str(error))
            await self._fail(hold, str(error))
        except Exception as error:
            log.exception("job_failed", job=id)
            await self._fail(hold, f"{type(error).__name__}: {error}")

    async def _fail(self, hold: Hold, why: str) -> None:
        await self._insist(lambda: self._doors.jobs.end(hold, "failed", why))

    async def _batches(self, hold: Hold, job: Job | None) -> None:
        until = self._now() + TURN_S
        while job is not None and not (over(job) or self._stop.is_set()):
            job = await self._batch(hold, job)
            if self._now() >= until:
                if await self._others_wait(hold.job):
                    break
                until = self._now() + BEAT_S
        if job is None:
            log.warning("job_lost", job=hold.job)
        elif over(job):
            await self._end(hold, job)
        else:
            await self._hand_back(hold)

    async def _others_wait(self, id: str) -> bool:
        try:
            return bool(await self._waiting() - {id})
        except Transient:
            return False

    async def _batch(self, hold: Hold, job: Job) -> Job | None:
        began = time.monotonic()
        after = await self._insist(lambda: self._once(hold))
        if after is None or after.rate is None:
            return after
        return await self._wait(hold, after, began + (after.done - job.done) / after.rate)

    async def _once(self, hold: Hold) -> Job | None:
        # read anew: a write whose answer got lost may have happened, and the job stands further on then
        job = await self._doors.jobs.see(hold)
        return None if job is None else await self._kinds[job.kind](self._doors, hold, job)

    async def _wait(self, hold: Hold, job: Job, until: float) -> Job | None:
        """Wait for the rate's sake, and go on saying that we are at it."""
        found: Job | None = job
        while found is not None and not found.cancel_asked and not self._stop.is_set():
            left = until - time.monotonic()
            if left <= 0:
                break
            await self._pause(min(left, BEAT_S, self._lease_s / 3))
            found = await self._insist(lambda: self._doors.jobs.see(hold))
        return found

    async def _end(self, hold: Hold, job: Job) -> None:
        state: State = "done" if job.place == END else "cancelled"
        await self._insist(lambda: self._doors.jobs.end(hold, state))
        log.info("job_ended", job=job.id, state=state, done=job.done)

    async def _hand_back(self, hold: Hold) -> None:
        if await self._insist(lambda: self._doors.jobs.hand_back(hold)):
            log.info("job_handed_back", job=hold.job)
            await self._give(hold.job)

    async def _insist(self, act: Callable[[], Awaitable[T]]) -> T | None:
        """Ask until the ledger answers; None once we are to stop: the lease runs out, and another goes on."""
        while True:
            try:
                return await act()
            except Transient as error:
                log.warning("job_waits", error=str(error))
                if self._stop.is_set():
                    return None
                await self._pause(AGAIN_S)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return


def over(job: Job) -> bool:
    """Whether there is nothing left to do, or nobody wants it done."""
    return job.cancel_asked or job.place == END
