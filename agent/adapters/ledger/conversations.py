"""Earlier runs, for those that go on from them, on PostgreSQL."""

from __future__ import annotations

from typing import Any

from agent.adapters.ledger.connect import Pool, fetch
from agent.adapters.ledger.errors import AWAY, away
from agent.adapters.ledger.queries import sql
from agent.envelope import Sealed
from agent.recalling import Earlier


class PostgresConversations:
    """See `agent.recalling.Conversations`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def earlier(self, run: str, project: str, /) -> Earlier | None:
        try:
            rows = await fetch(self._pool, sql("earlier"), run, project)
        except AWAY as error:
            raise away(error) from error
        row = next(iter(rows), None)
        if row is None:
            return None
        told = (row["status"], row["store"], row["deleted"], row["request"])
        return Earlier(*told, ending=_sealed(row, "ending"), recalled=_sealed(row, "recalled"))


def _sealed(row: Any, name: str) -> Sealed | None:
    return None if row[name] is None else Sealed(row[f"{name}_type"], row[f"{name}_version"], row[name])
