"""Forgetting in PostgreSQL."""

from __future__ import annotations

from agent.adapters.ledger.connect import Pool, transaction
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql


class PostgresPrivacy:
    """See `agent.privacy.Privacy`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def forget(self, run: str, project: str, /) -> bool:
        with reached():
            return await self._pool.fetchval(sql("forget"), run, project) is not None

    async def expire(self, older_than_s: float, most: int, /) -> int:
        with reached():
            return int(await self._pool.fetchval(sql("forget_responses"), older_than_s, most))

    async def purge(self, grace_s: float, most: int, /) -> int:
        with reached():
            async with transaction(self._pool) as connection:
                runs = [row["id"] for row in await connection.fetch(sql("purge_due"), grace_s, most)]
                if runs:  # a statement of its own: it sees what was written before the runs were locked
                    await connection.execute(sql("purge"), runs)
        return len(runs)
