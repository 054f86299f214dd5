"""Callers that come back, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from agent.callers import Claim, Retry
from agent.errors import KeyTaken
from agent.testing.memory import MemoryLedger
from agent.testing.presence import MemoryPresence
from agent.testing.rows import RunRow


class MemoryCallers:
    """See `agent.callers.Callers`: the twin, beside a `MemoryLedger` and its `MemoryPresence`."""

    def __init__(self, ledger: MemoryLedger, presence: MemoryPresence) -> None:
        self._ledger = ledger
        self._presence = presence

    async def claim(self, retry: Retry, /) -> Claim:
        await self._ledger.ping()
        meant = sorted(self._meant(retry), key=lambda row: row.new.id)
        free = [row for row in meant if self._is_gone(row.holder)]
        for row in free[:1]:
            row.holder = retry.holder
        return Claim(free[0].new.id if free else None, bool(meant), 1, 1)

    def _meant(self, retry: Retry) -> Iterator[RunRow]:
        oldest = self._ledger.clock.now() - timedelta(seconds=retry.within_s)
        for row in self._ledger.runs.values():
            same = (row.new.project, row.new.fingerprint) == (retry.project, retry.fingerprint)
            if (
                same
                and row.created_at > oldest
                and row.delivered_at is None
                and row.cancelled_by is None
                and not row.deleted
            ):
                yield row

    def _is_gone(self, holder: str | None) -> bool:
        return holder is None or not self._presence.lives(holder.partition("/")[0])

    async def known(self, project: str, key: str, body_hash: bytes, /) -> str | None:
        await self._ledger.ping()
        row = self._ledger.keys.get((project, key))
        if row is None or row.expires_at <= self._ledger.clock.now() or self._ledger.runs[row.run].deleted:
            return None
        if row.body_hash != body_hash:
            raise KeyTaken(f"{row.run} has this key")
        return row.run

    async def release(self, holders: Mapping[str, str], /) -> frozenset[str]:
        await self._ledger.ping()
        there = holders.keys() & self._ledger.runs.keys()
        for run in there:
            self._let_go(self._ledger.runs[run], holders[run])
        return frozenset(there)

    async def delivered(self, holders: Mapping[str, str], /) -> None:
        await self._ledger.ping()
        for run in holders.keys() & self._ledger.runs.keys():
            row = self._ledger.runs[run]
            row.delivered_at = row.delivered_at or self._ledger.clock.now()
            self._let_go(row, holders[run])

    def _let_go(self, row: RunRow, holder: str) -> None:
        if row.holder == holder:
            row.holder = None
