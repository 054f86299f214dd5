"""The processes that live, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.presence import ALIVE_S, Instance, Kind

TIMEOUT_S = 5.0
"""A word that takes longer is not worth waiting for; the next one is due already."""


class PostgresPresence:
    """See `agent.presence.Presence`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def here(self, instance: str, kind: Kind, release: str, /) -> None:
        with reached():
            await self._pool.execute(sql("here"), instance, kind, release, timeout=TIMEOUT_S)

    async def gone(self, instance: str, /) -> None:
        with reached():
            await self._pool.execute(sql("gone"), instance, timeout=TIMEOUT_S)

    async def alive(self) -> Sequence[Instance]:
        with reached():
            return [Instance(**row) for row in await self._pool.fetch(sql("present"), ALIVE_S)]
