"""A connection that stays with the one who writes on it again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from agent.adapters.ledger.connect import PATIENCE_S, Connection, Pool, between, give_up

KEEP_S = 0.5
"""An idle connection goes back to its pool, which knows how long it may lie idle and waits for it when it closes."""


class Lane:
    """For one user at a time. To take a connection out of a pool and give it back costs as much as a statement does."""

    def __init__(self, pool: Pool, keep_s: float = KEEP_S) -> None:
        self._pool = pool
        self._keep_s = keep_s
        self._kept: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._returning: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection on which each statement is a transaction; one on which anything failed is not kept."""
        connection = await self._take()
        try:
            yield connection
        except BaseException as error:
            if isinstance(error, TimeoutError):
                await give_up(self._pool, connection)
            await self._pool.release(connection)
            raise
        self._keep(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A durable transaction of several statements."""
        async with self.connection() as connection, between(connection, "begin"):
            yield connection

    async def give_back(self) -> None:
        """Let the pool have its connection, so that it can be closed at once."""
        self._return()
        if self._returning is not None:
            await self._returning

    async def _take(self) -> Connection:
        if self._timer is not None:
            self._timer.cancel()
        kept, self._kept = self._kept, None
        if kept is None:
            return await self._pool.acquire(timeout=PATIENCE_S)
        if not kept.is_closed():
            return kept
        await self._pool.release(kept)
        return await self._pool.acquire(timeout=PATIENCE_S)

    def _keep(self, connection: Connection) -> None:
        self._kept = connection
        self._timer = asyncio.get_running_loop().call_later(self._keep_s, self._return)

    def _return(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self._returning = asyncio.create_task(self._release(kept))

    async def _release(self, kept: Connection) -> None:
        with suppress(Exception):  # a pool that was torn down meanwhile has nothing to take back
            await self._pool.release(kept)
