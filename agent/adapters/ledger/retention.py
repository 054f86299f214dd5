"""What PostgreSQL does not keep for ever."""

from __future__ import annotations

from collections.abc import Mapping

from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.retention import Keep


class PostgresRetention:
    """See `agent.retention.Retention`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def expired(self, keep: Keep, /) -> Mapping[str, int]:
        with reached():
            return {what: await self._pool.fetchval(sql(f"expired_{what}"), keep_s) for what, keep_s in keep.items()}

    async def forget(self, what: str, keep_s: float, most: int, /) -> int:
        with reached():
            return int(await self._pool.fetchval(sql(f"forget_{what}"), keep_s, most))
