"""What is written together: one transaction for the opens, calls, outcomes and marks of one moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.adapters.ledger import rows
from agent.adapters.ledger.connect import Connection, Pool, transaction
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import Settlement, columns
from agent.outcome import Bury
from agent.ports import Begun, Call, NewRun, Pointer, Unreadable


@dataclass(slots=True)
class Opening:
    new: NewRun


@dataclass(slots=True)
class Record:
    begun: Begun
    calls: Sequence[Call]


@dataclass(slots=True)
class Garbage:
    unreadable: Unreadable


@dataclass(slots=True)
class Published:
    entries: Sequence[tuple[Pointer, str]]


Write = Opening | Record | Settlement | Garbage | Published


class Writer:
    """Applies a batch of writes in one transaction. The result: was the fence won? True where there is none."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __call__(self, batch: Sequence[Write]) -> Sequence[bool]:
        async with transaction(self._pool) as connection:
            await _open(connection, [write.new for write in batch if isinstance(write, Opening)])
            await _record(connection, batch)
            won = await _settle(connection, [write for write in batch if isinstance(write, Settlement)])
            await _bury(connection, [rows.unreadable_row(w.unreadable) for w in batch if isinstance(w, Garbage)])
            await _published(connection, [entry for w in batch if isinstance(w, Published) for entry in w.entries])
        return [id(write) in won if isinstance(write, Settlement) else True for write in batch]


async def _run(connection: Connection, name: str, values: list[list[Any]]) -> list[Any]:
    found: list[Any] = await connection.fetch(sql(name), *values) if values and values[0] else []
    return found


async def _open(connection: Connection, new: Sequence[NewRun]) -> None:
    await _run(connection, "open", columns(map(rows.open_row, new), 14))


async def _record(connection: Connection, batch: Iterable[Write]) -> None:
    found = {
        call.id: rows.call_row(write.begun, call)
        for write in batch
        if isinstance(write, Record | Settlement)
        for call in write.calls
    }
    await _run(connection, "record_calls", columns(found.values(), 24))


async def _settle(connection: Connection, settlements: Sequence[Settlement]) -> set[int]:
    """The identities of those that won. Two outcomes for one run take turns: the second finds the row moved on."""
    won: set[int] = set()
    left = settlements
    while left:
        turn = {write.key.run: write for write in reversed(left)}
        left = [write for write in left if turn[write.key.run] is not write]
        events = columns([row for write in turn.values() for row in write.event_rows()], 9)
        fence = await _run(
            connection, "settle", [*columns([write.fence_row() for write in turn.values()], 12), *events]
        )
        settled = [turn[row["run_id"]] for row in fence]
        won.update(map(id, settled))
        await _follow(connection, settled)
    return won


async def _follow(connection: Connection, settled: Sequence[Settlement]) -> None:
    await _run(connection, "end_runs", columns([write.end_row() for write in settled if write.ends], 5))
    buried = [write.dead_row(write.outcome) for write in settled if isinstance(write.outcome, Bury)]
    await _bury(connection, buried)


async def _bury(connection: Connection, dead: Sequence[Sequence[Any]]) -> None:
    await _run(connection, "bury", columns(dead, 10))


async def _published(connection: Connection, entries: Sequence[tuple[Pointer, str]]) -> None:
    latest = {pointer.run: rows.published_row(pointer, entry) for pointer, entry in entries}
    await _run(connection, "published", columns(latest.values(), 5))
