"""Evaluations in PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from agent.adapters.ledger.connect import Pool, transaction
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.envelope import scrub
from agent.evaluation import Evaluation, Plan, Standing, Wanted

OPEN = "in_progress"


class PostgresEvaluations:
    """See `agent.evaluation.Evaluations`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, wish: str, plan: Plan, lines: Sequence[Wanted], /) -> tuple[Evaluation, bool]:
        columns = zip(*((it.number, it.run, it.request, it.trace) for it in lines), strict=True)
        with reached():
            async with transaction(self._pool) as connection:
                await connection.execute(sql("evaluation_lock"), wish)
                row = await connection.fetchrow(sql("evaluation_find"), wish)
                if row is not None:
                    return _evaluation(row), False
                new = (f"eval_{os.urandom(8).hex()}", wish, plan.text(), len(lines))
                return _evaluation(await connection.fetchrow(sql("evaluation_begin"), *new, *map(list, columns))), True

    async def find(self, wish: str, /) -> Evaluation | None:
        return await self._one("evaluation_find", wish)

    async def evaluation(self, id: str, /) -> Evaluation | None:
        return await self._one("evaluation", scrub(id))

    async def standing(self, id: str, /) -> Standing:
        with reached():
            rows = await self._pool.fetch(sql("evaluation_standing"), id)
        counts = {row["status"]: row["count"] for row in rows}
        ended = {status: count for status, count in counts.items() if status not in (None, OPEN)}
        return Standing(ended, counts.get(OPEN, 0), sum(counts.values()))

    async def waiting(self, id: str, most: int, /) -> Sequence[Wanted]:
        with reached():
            return [Wanted(**row) for row in await self._pool.fetch(sql("evaluation_waiting"), id, most)]

    async def opened(self, id: str, numbers: Sequence[int], /) -> None:
        with reached():
            await self._pool.execute(sql("evaluation_opened"), id, list(numbers))

    async def runs(self, id: str, /) -> Sequence[str]:
        with reached():
            return [row["run_id"] for row in await self._pool.fetch(sql("evaluation_runs"), id)]

    async def limit(self, id: str, most_usd: Decimal | None, /) -> None:
        with reached():
            await self._pool.execute(sql("evaluation_limit"), id, most_usd)

    async def spent(self, id: str, /) -> Decimal:
        with reached():
            return Decimal(await self._pool.fetchval(sql("evaluation_spent"), id))

    async def told(self, id: str, /) -> None:
        with reached():
            await self._pool.execute(sql("evaluation_told"), id)

    async def _one(self, name: str, value: str) -> Evaluation | None:
        with reached():
            row = await self._pool.fetchrow(sql(name), value)
        return None if row is None else _evaluation(row)


def _evaluation(row: Any) -> Evaluation:
    return Evaluation(**{**row, "plan": Plan.read(row["plan"])})
