"""What the relay asks of the ledger: due work, work to look for, overdue runs, and events for the feed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agent.adapters.ledger.connect import fetch, transaction
from agent.adapters.ledger.errors import AWAY, away
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import columns, published_row
from agent.adapters.ledger.standing import ended, place, taken
from agent.envelope import Envelope, Key, Sealed
from agent.outcome import failure_of
from agent.ports import Begun, FeedRow, Pointer, Swept

Publish = Callable[[Sequence[Pointer]], Awaitable[Sequence[str]]]
Missing = Callable[[Sequence[tuple[Pointer, str]]], Awaitable[Sequence[bool]]]
Write = Callable[[Sequence[FeedRow]], Awaitable[None]]

BATCH = 500
TURN = 250
"""The most rows that one project's turn at a route brings, and how many have their turn in one sweep."""
TURNS = 20


class PostgresSweeps:
    """See `agent.ports.Sweeps`. Any number of relays may sweep at once: each takes what no other holds."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self._ledger = ledger

    async def publish_due(self, publish: Publish, grace_s: float) -> Swept:
        async with _reached(), transaction(self._ledger.pool, durable=False) as connection:
            pointers = [place(row) for row in await connection.fetch(sql("due"), grace_s, TURN, TURNS)]
            if not pointers:
                return Swept(0)
            found = zip(pointers, await publish(pointers), strict=True)
            rows = [published_row(pointer, entry) for pointer, entry in found if entry]
            await connection.execute(sql("published"), *columns(rows, 5))
        return Swept(len(rows), more=True)

    async def look_for(self, missing: Missing, age_s: float) -> int:
        async with _reached():
            return await self._mark(missing, await fetch(self._ledger.pool, sql("in_streams"), age_s, BATCH))

    async def audit(self, missing: Missing, *, untouched: bool = False) -> int:
        found, last = 0, ""
        async with _reached():
            while rows := await fetch(self._ledger.pool, sql("audit"), last, untouched, BATCH):
                found += await self._mark(missing, rows)
                last = rows[-1]["run_id"]
        return found

    async def _mark(self, missing: Missing, rows: Sequence[Any]) -> int:
        """Note of each row's entry that it was found or is gone; how many are gone."""
        if not rows:
            return 0
        gone = await missing([(place(row), row["entry"]) for row in rows])
        marks = [(row["run_id"], row["entry"], lost) for row, lost in zip(rows, gone, strict=True)]
        async with transaction(self._ledger.pool, durable=False) as connection:
            await connection.execute(sql("looked_for"), *columns(marks, 3))
        return sum(gone)

    async def end_overdue(self) -> Sequence[Begun]:
        async with _reached():
            rows = await fetch(self._ledger.pool, sql("overdue"), BATCH)
        late = [taken(row, "relay") for row in rows]
        failure = failure_of("deadline_exceeded")
        settled = await asyncio.gather(*(self._ledger.commit(begun, ended(begun, failure)) for begun in late))
        return [begun for begun, first in zip(late, settled, strict=True) if first]

    async def copy_feed(self, write: Write) -> int:
        async with _reached(), transaction(self._ledger.pool, durable=False) as connection:
            cursor = await connection.fetchrow(sql("feed_lock"))
            if cursor is None:
                return 0
            rows = await connection.fetch(sql("feed_read"), *cursor, BATCH)
            if rows:
                await write([_feed_row(row) for row in rows])
                last = rows[-1]
                await connection.execute(sql("feed_move"), last["tx"], last["run_id"], last["generation"], last["seq"])
        return len(rows)


class _reached:
    """Turns the database's absence into `Transient`."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, AWAY):
            raise away(error) from error


def _feed_row(row: Any) -> FeedRow:
    key = Key(row["run_id"], row["generation"], row["seq"])
    sealed = Sealed(row["type"], row["version"], row["data"], row["agent"], row["prompt"], row["trace"])
    return FeedRow(Envelope(key, sealed, row["at"]), row["project_id"])
