"""Callers that come back, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping

from agent.adapters.ledger.connect import Pool, transaction
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.callers import Claim, Retry
from agent.errors import KeyTaken
from agent.presence import ALIVE_S


class PostgresCallers:
    """See `agent.callers.Callers`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, retry: Retry, /) -> Claim:
        values = (retry.project, retry.fingerprint, retry.holder, retry.within_s, ALIVE_S)
        with reached():
            async with transaction(self._pool) as connection:
                row = await connection.fetchrow(sql("claim"), *values)
        return Claim(row["run"], row["more"], int(row["horizon"]), int(row["newest"]))

    async def known(self, project: str, key: str, body_hash: bytes, /) -> str | None:
        with reached():
            row = await self._pool.fetchrow(sql("keys_known"), project, key)
        if row is not None and row["body_hash"] != body_hash:
            raise KeyTaken(f"{row['run_id']} has this key")
        return None if row is None else row["run_id"]

    async def release(self, holders: Mapping[str, str], /) -> frozenset[str]:
        return frozenset(await self._tell("released", holders))

    async def delivered(self, holders: Mapping[str, str], /) -> None:
        await self._tell("delivered", holders)

    async def _tell(self, name: str, holders: Mapping[str, str]) -> list[str]:
        runs = sorted(holders)
        with reached():
            async with transaction(self._pool, durable=False) as connection:
                return [row["id"] for row in await connection.fetch(sql(name), runs, [holders[run] for run in runs])]
