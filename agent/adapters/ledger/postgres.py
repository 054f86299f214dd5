"""The ledger on PostgreSQL: `Ledger` for the workers, `Shelf` for the door."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.adapters.ledger.beginning import Beginner, Opened
from agent.adapters.ledger.connect import Pool, fetch
from agent.adapters.ledger.errors import AWAY, away
from agent.adapters.ledger.group import GroupCommit
from agent.adapters.ledger.lane import Lane
from agent.adapters.ledger.marks import Marks
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import Note, Settlement, columns, envelope, held_row
from agent.adapters.ledger.writing import Garbage, HandBack, Opening, Published, Record, Write, Writer
from agent.envelope import Envelope, Sealed
from agent.errors import Gone, Refused
from agent.events import Usage
from agent.outcome import Bury, Outcome, failure_of
from agent.ports import Begun, Call, Delivery, NewRun, Place, Pointer, RunView, Unreadable


class PostgresLedger:
    """See `agent.ports.Ledger` and `agent.ports.Shelf` for the promises; passages are the library's."""

    def __init__(self, pool: Pool, hot: Pool | None = None) -> None:
        """`hot`, of `connect_hot`, is for what every hop writes; without it, `pool` is, and plans are not pinned."""
        self.pool = pool
        self._lanes = Lane(hot or pool), Lane(hot or pool)
        self._writes: GroupCommit[Write, bool] = GroupCommit(Writer(self._lanes[0]))
        self._begins: GroupCommit[Opened, Begun | None] = GroupCommit(Beginner(self._lanes[1]))
        self._marks = Marks(self.published)

    async def open(self, new: NewRun, /) -> str:
        opening = Opening(new)
        try:
            await self._writes.submit(opening, len(new.request) + len(new.first.data))
        except asyncio.CancelledError:
            opening.given_up = True  # nobody waits for it any more: if it was not written yet, it will not be
            raise
        return opening.run()

    async def begin(self, delivery: Delivery, /) -> Begun | None:
        begun = await self._begins.submit((os.urandom(16).hex(), delivery))
        if begun is not None:
            self._marks.begun(delivery.pointer)
        return begun

    async def carries(self, delivery: Delivery, /) -> bool:
        row = await self._one("carries", *delivery.pointer.key, delivery.pointer.attempt, delivery.entry)
        return bool(row["carries"])

    async def deliveries(self, delivery: Delivery, /) -> int:
        row = await self._one("deliveries", *delivery.pointer.key, delivery.pointer.attempt)
        return int(row["deliveries"])

    async def intend(self, begun: Begun, call: Call, /) -> None:
        if not await self._writes.submit(Record(begun, (call,), intent=True), len(call.effect.canonical())):
            raise Gone(f"{begun.pointer.run} has ended, went on, or has no time left")
        call.intended = True

    async def moved_on(self, held: Sequence[Begun], /) -> frozenset[str]:
        try:
            rows = await self.pool.fetch(sql("moved_on"), *columns(map(held_row, held), 6))
        except AWAY as error:
            raise away(error) from error
        return frozenset(row["token"] for row in rows)

    async def record(self, begun: Begun, /) -> None:
        if begun.calls:
            recorded = tuple(begun.calls)
            await self._writes.submit(Record(begun, recorded))
            begun.calls[:] = [call for call in begun.calls if not any(call is done for done in recorded)]

    async def commit(self, begun: Begun, outcome: Outcome, /, note: Note | None = None) -> bool:
        """As `Ledger.commit`; `note` stands on the audit by the same transaction, or not at all."""
        settlement = Settlement(begun, outcome, tuple(begun.calls), note)
        try:
            return await self._writes.submit(settlement, settlement.size())
        except Refused as error:
            bury = Bury("unstorable", f"the database refuses what follows: {error}", failure_of("unstorable"))
            calls = tuple(replace(call, answer=None, error=str(error)) for call in begun.calls)
            return await self._writes.submit(Settlement(begun, bury, calls))

    async def hand_back(self, begun: Begun, /) -> bool:
        return await self._writes.submit(HandBack(begun, tuple(begun.calls)))

    async def bury_unreadable(self, unreadable: Unreadable, /) -> None:
        await self._writes.submit(Garbage(unreadable), unreadable.size())

    async def published(self, entries: Mapping[Pointer, str], /) -> None:
        await self._writes.submit(Published(tuple(entries.items())))

    def published_later(self, pointer: Pointer, entry: str) -> None:
        """As `published`, within a moment, and unless the work is begun here until then; nobody waits for it."""
        self._marks.add(pointer, entry)

    async def view(self, run: str, project: str, /) -> RunView | None:
        row = await self._one("view", run, project)
        return None if row is None else _view(row)

    async def ended(self, runs: Sequence[str], /) -> Sequence[str]:
        try:
            return [row["id"] for row in await fetch(self.pool, sql("ended"), list(runs))]
        except AWAY as error:
            raise away(error) from error

    async def places(self, runs: Sequence[str], /) -> Mapping[str, Place]:
        try:
            rows = await fetch(self.pool, sql("places"), list(runs))
        except AWAY as error:
            raise away(error) from error
        return {row["run_id"]: Place(row["generation"], row["seq"], row["begun"]) for row in rows}

    async def happened(self, run: str, generation: int, /) -> Sequence[Envelope]:
        try:
            rows = await fetch(self.pool, sql("happened"), run, generation)
        except AWAY as error:
            raise away(error) from error
        return [envelope(run, generation, row) for row in rows]

    async def ping(self) -> None:
        try:
            await self.pool.fetchval("select 1", timeout=5)
        except AWAY as error:
            raise away(error) from error

    async def keep_prompt(self, name: str, version: str, sources: str) -> None:
        """Archive a prompt version (its files as JSON), so that runs that started with it can keep it."""
        await self._one("keep_prompt", name, version, sources)

    async def kept_prompt(self, name: str, version: str) -> str | None:
        """An archived prompt version, or None. Raises `Transient`."""
        row = await self._one("kept_prompt", name, version)
        return None if row is None else row["sources"]

    async def drain(self) -> None:
        """Wait until everything that was submitted has been written, or has failed."""
        await self._marks.drain()
        await self._writes.drain()
        for lane in self._lanes:
            await lane.give_back()

    async def _one(self, name: str, *values: Any) -> Any:
        try:
            return next(iter(await fetch(self.pool, sql(name), *values)), None)
        except AWAY as error:
            raise away(error) from error


SAME_NAMES = (
    *("id", "generation", "agent", "agent_version", "request", "status", "created_at", "deadline", "store", "trace"),
    *("ended_at", "cost_usd", "calls", "attempts", "begun", "deleted", "link_secret"),
)


def _view(row: Any) -> RunView:
    sealed = None if row["ending"] is None else Sealed(row["ending_type"], row["ending_version"], row["ending"])
    usage = Usage(
        input_tokens=row["input_tokens"],
        cached_tokens=row["cached_tokens"],
        output_tokens=row["output_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
    )
    return RunView(
        **{name: row[name] for name in SAME_NAMES},
        project=row["project_id"],
        ending=sealed,
        usage=usage,
    )
