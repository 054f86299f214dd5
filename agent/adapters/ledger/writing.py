"""What is written together: one transaction for the opens, calls, outcomes and marks of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from agent.adapters.ledger import rows
from agent.adapters.ledger.connect import Connection
from agent.adapters.ledger.lane import Lane
from agent.adapters.ledger.queries import ending, settling, sql
from agent.adapters.ledger.rows import Settlement, columns
from agent.errors import KeyTaken, Transient
from agent.outcome import Bury
from agent.ports import Begun, Call, NewRun, Pointer, Unreadable


@dataclass(frozen=True, slots=True)
class KeyRow:
    run: str
    body_hash: bytes


@dataclass(slots=True)
class Opening:
    new: NewRun
    given_up: bool = False
    key: KeyRow | None = None
    """What the ledger has under the caller's key, if there is one."""

    def run(self) -> str:
        """The run behind the request. Raises `KeyTaken` if its key stands for another body."""
        if self.new.once is None:
            return self.new.id
        if self.key is None:
            raise Transient("the idempotency key was let go of while it was read", kind="ledger")
        if self.key.body_hash != self.new.once.body_hash:
            raise KeyTaken(f"{self.key.run} has this key")
        return self.key.run


@dataclass(slots=True)
class Record:
    begun: Begun
    calls: Sequence[Call]
    intent: bool = False
    """Whether its one call is to be made yet: written only if the work still stands where it was begun."""


@dataclass(slots=True)
class Garbage:
    unreadable: Unreadable


@dataclass(slots=True)
class Published:
    entries: Sequence[tuple[Pointer, str]]


@dataclass(slots=True)
class HandBack:
    begun: Begun
    calls: Sequence[Call]


Write = Opening | Record | Settlement | Garbage | Published | HandBack


class Writer:
    """Applies a batch of writes in one transaction. The result: was the fence passed? True where there is none."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def __call__(self, batch: Sequence[Write]) -> Sequence[bool]:
        async with self._begun(batch) as connection:
            await _open(connection, [write for write in batch if isinstance(write, Opening) and not write.given_up])
            passed = await _settle(connection, batch)
            passed |= await _hand_back(connection, [write for write in batch if isinstance(write, HandBack)])
            await _bury(connection, [rows.unreadable_row(w.unreadable) for w in batch if isinstance(w, Garbage)])
            await _published(connection, [entry for w in batch if isinstance(w, Published) for entry in w.entries])
        return [id(write) in passed or not _has_fence(write) for write in batch]

    def _begun(self, batch: Sequence[Write]) -> AbstractAsyncContextManager[Connection]:
        """What one statement writes is a transaction by itself: two round trips fewer."""
        return self._lane.connection() if _is_one_statement(batch) else self._lane.transaction()


def _is_one_statement(batch: Sequence[Write]) -> bool:
    kinds = {type(write) for write in batch}
    if kinds <= {Record, Settlement}:
        settlements = [write for write in batch if isinstance(write, Settlement)]
        take_turns = len({write.key.run for write in settlements}) < len(settlements)
        leaves_more = any(write.note or isinstance(write.outcome, Bury) for write in settlements)
        return not (take_turns or leaves_more or _ends_with_calls(batch))
    with_key = any(isinstance(write, Opening) and write.new.once for write in batch)
    return len(kinds) == 1 and HandBack not in kinds and not with_key


def _ends_with_calls(batch: Sequence[Write]) -> bool:
    """Whether the result of a run has to count calls that are written here too: they must have been written before."""
    answered = {write.key.run for write in batch if isinstance(write, Settlement) and write.answers}
    return any(
        write.calls and write.begun.pointer.run in answered
        for write in batch
        if isinstance(write, Record | Settlement | HandBack)
    )


async def _run(connection: Connection, name: str, values: list[list[Any]]) -> list[Any]:
    found: list[Any] = await connection.fetch(sql(name), *values) if values and values[0] else []
    return found


async def _open(connection: Connection, openings: Sequence[Opening]) -> None:
    await take_keys(connection, openings)
    mine = [write.new for write in openings if write.key is None or write.key.run == write.new.id]
    await _run(connection, "open", columns(map(rows.open_row, mine), 19))


async def take_keys(connection: Connection, openings: Sequence[Opening]) -> None:
    """Find out who has the callers' keys; those that nobody has are taken, each by the first that wants it."""
    wanted = [write for write in openings if write.new.once is not None]
    given = {row[:2]: row for row in sorted((rows.key_row(write.new) for write in wanted), reverse=True)}
    taken = columns(sorted(given.values()), 5)
    await _run(connection, "keys_expire", taken[:2])
    await _run(connection, "keys_take", taken)
    found = {(row["project_id"], row["key"]): row for row in await _run(connection, "keys_read", taken[:2])}
    for write in wanted:
        row = found.get(rows.key_row(write.new)[:2])
        write.key = None if row is None else KeyRow(row["run_id"], row["body_hash"])


def _calls(batch: Sequence[Write]) -> list[list[Any]]:
    found = {
        call.id: rows.call_row(write.begun, call)
        for write in batch
        if isinstance(write, Record | Settlement | HandBack)
        for call in write.calls
    }
    return columns(found.values(), 0)


async def _settle(connection: Connection, batch: Sequence[Write]) -> set[int]:
    """Record the calls, and settle. The identities of the outcomes that won, and of the intents that were let in.

    Two outcomes for one run take turns: the second finds the row moved on.
    """
    calls = _calls(batch)
    found: list[Any] = []
    passed: set[int] = set()
    left = [write for write in batch if isinstance(write, Settlement)]
    if not left or _ends_with_calls(batch):
        calls, found = [], await _run(connection, "record_calls", calls)
    while left:
        turn = {write.key.run: write for write in reversed(left)}
        left = [write for write in left if turn[write.key.run] is not write]
        moved = await _move(connection, list(turn.values()), calls)
        settled = [turn[row["run_id"]] for row in moved if row["run_id"]]
        calls, found = [], [*found, *moved]
        passed.update(map(id, settled))
        await _set_aside(connection, [write for write in settled if isinstance(write.outcome, Bury)])
        await _note(connection, settled)
    written = {row["call_id"] for row in found}
    return passed | {id(it) for it in batch if isinstance(it, Record) and it.intent and it.calls[0].id in written}


def _has_fence(write: Write) -> bool:
    return isinstance(write, Settlement | HandBack) or (isinstance(write, Record) and write.intent)


async def _move(connection: Connection, turn: Sequence[Settlement], calls: list[list[Any]]) -> list[Any]:
    """One statement for the fence, the results of runs, and calls: none looks at what the others write.

    Runs that failed have to wait: what went wrong is written only if their texts are still there, and no row can be
    looked at for that which the same statement changes.
    """
    fence = columns([write.fence_row() for write in turn], 14)
    events = columns([row for write in turn for row in write.event_rows()], 9)
    ends = columns((write.end_row() for write in turn if write.answers), 0)
    statement = settling(calls=bool(calls), ends=bool(ends))
    found: list[Any] = await connection.fetch(statement, *fence, *events, *ends, *calls)
    return found


async def _set_aside(connection: Connection, buried: Sequence[Settlement]) -> None:
    if buried:
        await connection.fetch(ending(), *columns([write.end_row() for write in buried], 5))
        await _bury(connection, [write.dead_row(write.outcome) for write in buried if isinstance(write.outcome, Bury)])


async def _note(connection: Connection, settled: Sequence[Settlement]) -> None:
    await _run(connection, "notes", columns((it.note_row(it.note) for it in settled if it.note), 6))


async def _hand_back(connection: Connection, given: Sequence[HandBack]) -> set[int]:
    """The identities of those whose work goes to another worker now."""
    found = await _run(connection, "hand_back", columns([rows.held_row(write.begun) for write in given], 6))
    returned = {row["token"] for row in found}
    return {id(write) for write in given if write.begun.token in returned}


async def _bury(connection: Connection, dead: Sequence[Sequence[Any]]) -> None:
    await _run(connection, "bury", columns(dead, 10))


async def _published(connection: Connection, entries: Sequence[tuple[Pointer, str]]) -> None:
    latest = {pointer.run: rows.published_row(pointer, entry) for pointer, entry in entries}
    await _run(connection, "published", columns(latest.values(), 5))
