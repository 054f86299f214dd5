"""The processes that live, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from agent.presence import ALIVE_S, Instance, Kind
from agent.testing.memory import MemoryLedger

DAY = timedelta(days=1)


class MemoryPresence:
    """See `agent.presence.Presence`: the twin, by the clock of its `MemoryLedger`."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self.rows: dict[str, Instance] = {}

    async def here(self, instance: str, kind: Kind, release: str, /) -> None:
        await self._ledger.ping()
        now = self._ledger.clock.now()
        known = self.rows.get(instance, Instance(instance, kind, release, now, now))
        self.rows[instance] = replace(known, seen_at=now)
        self.rows = {name: row for name, row in self.rows.items() if now - row.seen_at <= DAY}

    async def gone(self, instance: str, /) -> None:
        await self._ledger.ping()
        self.rows.pop(instance, None)

    async def alive(self) -> Sequence[Instance]:
        await self._ledger.ping()
        found = [row for row in self.rows.values() if self.lives(row.id)]
        return sorted(found, key=lambda row: (row.kind, row.started_at, row.id))

    def lives(self, instance: str) -> bool:
        """Whether it was heard of a moment ago."""
        row = self.rows.get(instance)
        return row is not None and (self._ledger.clock.now() - row.seen_at).total_seconds() < ALIVE_S
