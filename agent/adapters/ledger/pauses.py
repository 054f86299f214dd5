"""Pauses in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import audit_id
from agent.envelope import scrub
from agent.pauses import Pause


class PostgresPauses:
    """See `agent.pauses.Pauses`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def pauses(self) -> Sequence[Pause]:
        with reached():
            return [Pause(**row) for row in await self._pool.fetch(sql("pauses"))]

    async def pause(self, scope: str, reason: str, by: str, /) -> bool:
        with reached():
            row = await self._pool.fetchrow(sql("pause"), scope, scrub(reason), scrub(by), audit_id())
        return row is not None

    async def resume(self, scope: str, by: str, /) -> bool:
        with reached():
            row = await self._pool.fetchrow(sql("resume"), scope, scrub(by), audit_id())
        return row is not None

    async def note(self, action: str, subject: str, by: str) -> None:
        """Put on the audit what an operator did elsewhere. Raises `Transient`."""
        with reached():
            await self._pool.fetchrow(sql("note"), audit_id(), scrub(by), action, scrub(subject))
