"""What projects and keys have used, counted in PostgreSQL."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.metering import WINDOW_S, Used
from agent.pacing import Target

FINAL_AFTER_MIN = 5
"""A call that was asked longer ago has its last cost: such minutes are counted once and remembered."""
DAY_MIN = 1_440

Keyed = dict[str | None, Decimal]


class PostgresMeter:
    """See `agent.metering.Meter`. Remembers what the minutes of the day cost: only the last ones are counted."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._final: dict[str, tuple[int, dict[int, Keyed]]] = {}
        """By project: the minute before which all is final, and what the minutes before it cost."""

    async def used(self, project: str, /) -> Mapping[str | None, Used]:
        with reached():
            runs = await self._pool.fetch(sql("used_runs"), project)
            tokens = await self._pool.fetch(sql("used_tokens"), project)
        usd = await self._usd(project)
        keys = {None, *usd, *(row["key"] for row in runs), *(row["key"] for row in tokens)}
        return {key: _used(key, runs, tokens, usd) for key in keys}

    async def spent_today(self, target: Target) -> Decimal:
        """What the calls of a model have cost since midnight, UTC. Raises `Transient`."""
        with reached():
            return Decimal(await self._pool.fetchval(sql("spent_today"), target.endpoint, target.model))

    async def _usd(self, project: str) -> Keyed:
        """Since midnight."""
        with reached():
            now = int(await self._pool.fetchval(sql("used_now")))
            since, costs = self._known(project, midnight=now - now % DAY_MIN)
            rows = await self._pool.fetch(sql("used_usd"), project, since)
        for row in rows:
            costs.setdefault(row["minute"], {})[row["key"]] = row["usd"]
        final = max(now - FINAL_AFTER_MIN, since)
        self._final[project] = (final, {minute: cost for minute, cost in costs.items() if minute < final})
        return _sums(costs)

    def _known(self, project: str, midnight: int) -> tuple[int, dict[int, Keyed]]:
        """The minute to count from, and what those before it cost."""
        final, costs = self._final.get(project, (midnight, {}))
        return max(final, midnight), {minute: cost for minute, cost in costs.items() if minute >= midnight}


def _sums(minutes: Mapping[int, Keyed]) -> Keyed:
    sums: defaultdict[str | None, Decimal] = defaultdict(Decimal)
    for cost in minutes.values():
        for key, usd in cost.items():
            sums[key] += usd
            if key is not None:
                sums[None] += usd
    return dict(sums)


def _used(key: str | None, runs: list[Any], tokens: list[Any], usd: Keyed) -> Used:
    mine = [row for row in runs if key in (None, row["key"])]
    spent = Counter[int]()
    for row in tokens:
        if key in (None, row["key"]):
            spent[max(row["age_s"], 0)] += row["tokens"]
    return Used(
        began=Counter(max(row["age_s"], 0) for row in mine if row["age_s"] < WINDOW_S),
        tokens=spent,
        open=frozenset(row["id"] for row in mine if row["open"]),
        ended=frozenset(row["id"] for row in mine if not row["open"]),
        usd=usd.get(key, Decimal(0)),
    )
