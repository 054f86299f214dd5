"""Cancelling runs: because a client says so, or because the one who waited hung up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from agent.cancels import Cancelled
from agent.errors import Transient
from agent.events import CancelledBy
from api.door import Door
from api.patience import settle, within

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

AGAIN_S = 1.0
TIMES = 60
"""So often a hang-up is told to a ledger that is away, or that does not know the run: its opening may still come."""


class Cancelling:
    """Cancels runs and wakes whoever else waits for them."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._telling: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def cancel(self, run: str, project: str, by: CancelledBy) -> Cancelled:
        """End a run of this project.

        Raises `Transient` if the ledger does not answer in time; the run may be cancelled all the same.
        """
        door = self._door
        done = await within(door.settings.ledger_timeout_s, door.cancels.cancel(run, project, by), door.sleep)
        if done is Cancelled.DONE:
            log.info("run_cancelled", run=run, by=by)
            await self._ring(run)
        return done

    def hung_up(self, run: str, project: str) -> None:
        """Nobody waits for the run any more and nobody can read it later. Told in the background, until it is heard."""
        told = (run, project)
        task = asyncio.create_task(self._insist(*told))
        self._telling[told] = task
        task.add_done_callback(lambda _: self._telling.pop(told, None))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What was not heard is told once more on the way out; if it is lost, such a run goes on until its own end."""
        try:
            yield
        finally:
            left = dict(self._telling)
            await settle(left.values())
            await asyncio.gather(*(self._heard(*told) for told in left))

    async def _insist(self, run: str, project: str) -> None:
        for _ in range(TIMES):
            if await self._heard(run, project):
                return
            await self._door.sleep(AGAIN_S)

    async def _heard(self, run: str, project: str) -> bool:
        try:
            return await self.cancel(run, project, "disconnect") is not Cancelled.UNKNOWN
        except Transient as error:
            log.warning("hang_up_untold", run=run, error=str(error))
            return False

    async def _ring(self, run: str) -> None:
        try:
            await self._door.streams.ended(run)
        except Transient as error:
            log.warning("announcement_lost", run=run, error=str(error))  # whoever waits also looks
