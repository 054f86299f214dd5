"""Finds jobs that RQ has forgotten or whose process died, and opens the ones whose hour has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Set

import structlog

from agent.errors import Transient
from agent.jobs import Jobs

log = structlog.get_logger(__name__)


class Sweep:
    """Any number may sweep: everything that it does is harmless when it is done twice."""

    def __init__(
        self,
        jobs: Jobs,
        push: Callable[[str], Awaitable[None]],
        waiting: Callable[[], Awaitable[Set[str]]],
        *,
        lease_s: float,
        retention_every_s: float,
    ) -> None:
        self._jobs = jobs
        self._push = push
        self._waiting = waiting
        self._lease_s = lease_s
        self._retention_every_s = retention_every_s

    async def run(self, every_s: float) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.look()
            except Transient as error:
                log.warning("sweep_failed", sweep="jobs", error=str(error))
            except Exception:
                log.exception("sweep_broke", sweep="jobs")
            await asyncio.sleep(every_s)

    async def look(self) -> None:
        """One look. Raises `Transient`."""
        if self._retention_every_s:
            await self._jobs.ask_again("retention", "{}", "jobs", self._retention_every_s)
        lost = await self._jobs.lost(self._lease_s)
        if not lost:
            return
        waiting = await self._waiting()
        for job in lost:
            if job not in waiting:
                log.info("job_found", job=job)
                await self._push(job)
