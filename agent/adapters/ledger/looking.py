"""What the ledger tells an operator at a glance: the backlog of the routes, and lists of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.fairness import Queue
from agent.inspection import Backlog, CostLine, Costs, RunFilter, RunLine, Stall

EXAMPLES = 5
GONE_S = 10.0
"""A process says every second that it lives; one that was silent for so long does not work on anything."""

NAMES = [field.name for field in fields(RunLine)]


class LedgerLook:
    """Every method raises `Transient` if the store cannot be reached."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def backlog(self) -> Mapping[str, Backlog]:
        """The open work by route; a route without any is not in it."""
        with reached():
            rows = await self._pool.fetch(sql("backlog"))
        return {row["route"]: Backlog(**row) for row in rows}

    async def waiting(self) -> Mapping[str, float]:
        """For how many seconds the oldest due work of each route has waited for a worker to take it."""
        with reached():
            rows = await self._pool.fetch(sql("waiting"))
        return {row["route"]: row["oldest_s"] for row in rows}

    async def pressure(self) -> Mapping[Queue, float]:
        """As `waiting`, for each line of work."""
        with reached():
            rows = await self._pool.fetch(sql("pressure"))
        return {Queue(row["project"], row["route"], row["bulk"]): row["oldest_s"] for row in rows}

    async def letters(self) -> Mapping[str, int]:
        """How many dead letters wait for an operator, by error class."""
        with reached():
            rows = await self._pool.fetch(sql("letters_open"))
        return {row["kind"]: row["count"] for row in rows}

    async def seen(self) -> Mapping[str, float]:
        """Seconds since each process last said that it lives."""
        with reached():
            rows = await self._pool.fetch(sql("seen"))
        return {row["id"]: row["seen_s"] for row in rows}

    async def stalled(self, after_s: float) -> Sequence[Stall]:
        """Routes that are not paused and where work has waited for `after_s` while none was begun."""
        with reached():
            rows = await self._pool.fetch(sql("stalled"), EXAMPLES, after_s, GONE_S)
        return [Stall(row["route"], row["count"], row["oldest_s"], tuple(row["examples"])) for row in rows]

    async def costs(self, by: str, since_s: float | None, project: str | None, run: str | None, most: int) -> Costs:
        """What model calls cost, by `run`, `key`, `project`, `agent` or `model`, the dearest first, or by `day`.

        Of more than `most` lines those are left out that cost least, or the oldest days; the total is of all.
        """
        with reached():
            rows = await self._pool.fetch(sql("costs"), by, since_s, project, run, most)
        total, *lines = (CostLine(**row) for row in rows)
        return Costs(lines[::-1] if by == "day" else lines, total)

    async def runs(self, chosen: RunFilter, most: int, before: str | None = None) -> Sequence[RunLine]:
        """At most `most` runs, the newest first, that were opened before the run with the id `before`."""
        what = (chosen.status, chosen.agent, chosen.route, chosen.error_class)
        with reached():
            rows = await self._pool.fetch(sql("runs"), *what, chosen.older_than_s, chosen.younger_than_s, before, most)
        return [RunLine(**{name: row[name] for name in NAMES}) for row in rows]
