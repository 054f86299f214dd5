"""The ledger's side of the epoch: one row, locked by whoever looks."""

from __future__ import annotations

from typing import Any

from agent.adapters.ledger.connect import Pool, transaction
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.epoch import Change, Known, Look, Meet, Seen, judge, next_epoch

LOOK_LIMIT_MS = 12_000
"""Longer than the client of Redis waits for a connection and an answer."""
AUDIT_LIMIT_S = 10.0
"""An audit that takes longer, or whose relay died, may be done by another relay."""
NOTHING = Known("", 0, "")
"""Told to Redis by whoever only wants to look."""


class PostgresEpochs:
    """See `agent.epoch.Epochs`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def look(self, meet: Meet, within_s: float, lease_s: float) -> Look | None:
        """The write is durable: after a crash the ledger must not be behind what Redis was told."""
        with reached():
            async with transaction(self._pool) as connection:
                row = await connection.fetchrow(sql("epoch_lock"), within_s, str(LOOK_LIMIT_MS))
                if row is None:
                    return None
                known = Known(row["epoch"], row["mark"], row["server"])
                seen = await meet(known)
                change = judge(known, seen)
                losses = await connection.fetchval(sql("epoch_move"), *_moved(known, seen, change, lease_s))
        return Look(change, known, seen, losses)

    async def believes(self, meet: Meet, *, auditing: bool = False) -> bool:
        seen = await meet(NOTHING)
        with reached():
            row: Any = await self._pool.fetchrow(sql("epoch"))
        same = (row["epoch"], row["server"]) == (seen.epoch, seen.server or row["server"])
        return same and (auditing or not row["auditing"])

    async def claim_audit(self) -> str | None:
        with reached():
            token: str | None = await self._pool.fetchval(sql("audit_claim"), AUDIT_LIMIT_S)
        return token

    async def audited(self, token: str) -> None:
        with reached():
            await self._pool.execute(sql("audit_done"), token)


def _moved(known: Known, seen: Seen, change: Change, lease_s: float) -> tuple[Any, ...]:
    server = seen.server or known.server
    if change.begins_epoch:
        return next_epoch(known, seen), 0, server, change.value, lease_s
    return known.epoch, known.mark + 1, server, change.value, None if change is Change.NONE else lease_s
