"""How far behind the workers are, as this process saw it last: no request waits for that look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from agent.errors import Transient
from agent.fairness import Queue
from api.patience import Sleep, settle

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

EVERY_S = 1.0


class Pressure:
    """Looks every second. What it cannot find out it takes for none: the ledger refuses requests itself then."""

    def __init__(self, look: Callable[[], Awaitable[Mapping[Queue, float]]], sleep: Sleep = asyncio.sleep) -> None:
        self._look = look
        self._sleep = sleep
        self._waits: Mapping[Queue, float] = {}

    def waiting(self) -> Mapping[Queue, float]:
        """For how many seconds the oldest work of each line has waited to be begun."""
        return self._waits

    async def look(self) -> None:
        """Look now."""
        try:
            self._waits = await self._look()
        except Exception as error:  # the loop must outlive whatever the store does
            self._waits = {}
            log.warning("backlog_unknown", error=str(error), exc_info=not isinstance(error, Transient))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Pressure]:
        """Keep looking meanwhile."""
        looking = asyncio.create_task(self._keep_looking())
        try:
            yield self
        finally:
            await settle([looking])

    async def _keep_looking(self) -> None:
        while True:
            await self.look()
            await self._sleep(EVERY_S)
