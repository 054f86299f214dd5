"""Cancelling in PostgreSQL."""

from __future__ import annotations

from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.standing import ended, taken
from agent.cancels import Cancelled
from agent.events import CancelledBy, RunCancelled
from agent.telemetry import metrics


class PostgresCancels:
    """See `agent.cancels.Cancels`."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self._ledger = ledger

    async def cancel(self, run: str, project: str | None, by: CancelledBy, /) -> Cancelled:
        while True:  # each time around, the run has moved on by a step; it has not many of them
            with reached():
                row = await self._ledger.pool.fetchrow(sql("standing"), run, project)
            if row is None:
                return Cancelled.UNKNOWN
            if row["run_id"] is None:
                return Cancelled.OVER
            begun = taken(row, by)
            if await self._ledger.commit(begun, ended(begun, RunCancelled(by=by))):
                metrics.RUNS.labels(begun.agent, "cancelled").inc()
                return Cancelled.DONE
