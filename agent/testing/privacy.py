"""Forgetting in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from agent.testing.memory import MemoryLedger
from agent.testing.rows import RunRow


class MemoryPrivacy:
    """See `agent.privacy.Privacy`: the twin, beside a `MemoryLedger`. It has no feed, so no run waits for one."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def forget(self, run: str, project: str, /) -> bool:
        await self._ledger.ping()
        row = self._ledger.runs.get(run)
        if row is None or row.new.project != project or row.deleted:
            return False
        row.purge_asked = True
        return True

    async def expire(self, older_than_s: float, most: int, /) -> int:
        await self._ledger.ping()
        oldest = self._ledger.clock.now() - timedelta(seconds=older_than_s)
        rows = sorted(self._ledger.runs.values(), key=lambda row: row.created_at)
        old = [row for row in rows if row.new.store and row.ended_at and not row.deleted and row.created_at < oldest]
        for row in old[:most]:
            row.purge_asked = True
        return len(old[:most])

    async def purge(self, grace_s: float, most: int, /) -> int:
        await self._ledger.ping()
        due = [row for row in self._ledger.runs.values() if self._is_due(row, grace_s)][:most]
        for row in due:
            self._purge(row)
        return len(due)

    def _is_due(self, row: RunRow, grace_s: float) -> bool:
        if row.purged or row.ended_at is None or not (row.purge_asked or not row.new.store):
            return False
        over = row.ended_at < self._ledger.clock.now() - timedelta(seconds=grace_s)
        return over or row.purge_asked or row.delivered_at is not None or row.cancelled_by == "disconnect"

    def _purge(self, row: RunRow) -> None:
        ledger, run = self._ledger, row.new.id
        row.new, row.ending, row.purged = replace(row.new, request="", fingerprint=None), None, True
        ledger.events[run] = [replace(it, sealed=replace(it.sealed, data="{}")) for it in ledger.events[run]]
        for attempt in ledger.attempts.values():
            if attempt.key.run == run:
                attempt.error = attempt.refusals = None
        for call in (it for it in ledger.calls.values() if it.key.run == run):
            call.effect, call.effect_hash, call.answer, call.error = "{}", "", None, None
        for id, letter in ledger.dead_letters.items():
            if letter.pointer is not None and letter.pointer.run == run:
                ledger.dead_letters[id] = replace(letter, reason="", body="{}", history="{}", raw=None)
