"""The dead letters of the in-memory ledger, as an operator handles them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from agent.envelope import Key
from agent.letters import Filter, Letter, LetterStory, Place, Refusal, SettledAs, Standing, Tally, Verdict, refusal
from agent.ports import Pointer
from agent.testing.memory import MemoryLedger
from agent.testing.rows import AuditRow, DeadLetter, WorkRow


class MemoryLetters:
    """See `agent.letters.Letters`: the twin, over a `MemoryLedger`'s rows."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def letters(self, chosen: Filter, most: int, after: Place | None = None, /) -> Sequence[Letter]:
        await asyncio.sleep(0)
        found = [it for it in self._chosen(chosen) if after is None or (it.created_at, it.id) > after]
        return found[:most]

    async def letter(self, id: str, /) -> LetterStory | None:
        await asyncio.sleep(0)
        row = self._ledger.dead_letters.get(id)
        return None if row is None else LetterStory(self._letter(row), row.body, row.history, row.raw)

    async def tally(self, chosen: Filter, /) -> Tally:
        await asyncio.sleep(0)
        found = self._chosen(chosen)
        again = [it for it in found if refusal(it, self._standing(it)) is None]
        spent = [self._ledger.runs[it.run or ""].cost_usd for it in again]
        return Tally(len(found), len(again), _sum(spent), _sum(self._usual(it.agent) for it in again))

    async def replay(self, ids: Sequence[str], by: str, /) -> Sequence[Verdict]:
        await asyncio.sleep(0)
        return self.settled(ids, "replayed", by)

    async def discard(self, ids: Sequence[str], by: str, /) -> Sequence[Verdict]:
        await asyncio.sleep(0)
        return self.settled(ids, "discarded", by)

    def settled(self, ids: Sequence[str], how: SettledAs, by: str) -> Sequence[Verdict]:
        """Replay or discard, within a write of the caller's."""
        act = self._replay if how == "replayed" else self._discard
        return [act(id, by) for id in ids]

    def _replay(self, id: str, by: str) -> Verdict:
        row = self._ledger.dead_letters.get(id)
        letter = None if row is None else self._letter(row)
        why = refusal(letter, None if letter is None else self._standing(letter))
        if row is None or letter is None:
            return Verdict(id, why)
        if row.pointer is None or why is not None:
            return Verdict(id, why, letter.run, letter.generation, letter.settled_by)
        again = self._reopen(row.pointer)
        self._settle(row, by, "replayed")
        return Verdict(id, None, again.run, again.generation, by, again)

    def _discard(self, id: str, by: str) -> Verdict:
        row = self._ledger.dead_letters.get(id)
        if row is None:
            return Verdict(id, Refusal.UNKNOWN)
        run, generation = (row.pointer.run, row.pointer.generation) if row.pointer else (None, None)
        if row.settled_at is None:
            self._settle(row, by, "discarded")
            return Verdict(id, None, run, generation, by)
        why = Refusal.REPLAYED if row.settled_as == "replayed" else Refusal.DISCARDED
        return Verdict(id, why, run, generation, row.settled_by)

    def _reopen(self, at: Pointer) -> Pointer:
        ledger, now = self._ledger, self._ledger.clock.now()
        run, events = ledger.runs[at.run], ledger.events[at.run]
        again = replace(at, generation=at.generation + 1, attempt=1, bulk=True)
        given = run.deadline - (run.reopened_at or run.created_at)
        run.generation, run.status, run.ended_at, run.ending = again.generation, "in_progress", None, None
        run.reopened_at, run.deadline, run.cancelled_by, run.delivered_at = now, now + given, None, None
        before = [it for it in events if it.key.generation == at.generation and it.key.seq <= at.seq]
        events += [replace(it, key=Key(at.run, again.generation, it.key.seq)) for it in before]
        ledger.work[at.run] = WorkRow(again, now)
        return again

    def _settle(self, row: DeadLetter, by: str, settled_as: SettledAs) -> None:
        now = self._ledger.clock.now()
        self._ledger.dead_letters[row.id] = replace(row, settled_at=now, settled_by=by, settled_as=settled_as)
        self._ledger.audit.append(AuditRow(by, f"dead_letter.{settled_as}", row.id))

    def _chosen(self, chosen: Filter) -> list[Letter]:
        now = chosen.until or self._ledger.clock.now()
        found = [self._letter(row) for row in self._ledger.dead_letters.values()]
        kept = [it for it in found if _matches(it, chosen) and it.created_at <= now]
        if chosen.older_than_s is not None:
            kept = [it for it in kept if it.created_at < now - timedelta(seconds=chosen.older_than_s)]
        if chosen.younger_than_s is not None:
            kept = [it for it in kept if it.created_at > now - timedelta(seconds=chosen.younger_than_s)]
        return sorted(kept, key=lambda it: (it.created_at, it.id))

    def _letter(self, row: DeadLetter) -> Letter:
        at = row.pointer
        run = self._ledger.runs.get(at.run) if at else None
        return Letter(
            id=row.id,
            run=at.run if at else None,
            generation=at.generation if at else None,
            seq=at.seq if at else None,
            route=row.route,
            attempt=at.attempt if at else None,
            kind=row.kind,
            reason=row.reason,
            agent=run.new.agent if run else "",
            created_at=row.created_at,
            settled_at=row.settled_at,
            settled_by=row.settled_by,
            settled_as=row.settled_as,
        )

    def _standing(self, letter: Letter) -> Standing | None:
        run = self._ledger.runs.get(letter.run or "")
        if run is None:
            return None
        keys = {it.key for it in self._ledger.events[run.new.id]}
        wanted = Key(letter.run or "", letter.generation or 0, letter.seq or 0)
        return Standing(run.generation, run.status, run.deleted, wanted in keys)

    def _usual(self, agent: str) -> Decimal | None:
        runs = [it for it in self._ledger.runs.values() if it.new.agent == agent and it.status == "completed"]
        costs = [it.cost_usd for it in runs if it.cost_usd is not None]
        return sum(costs, Decimal(0)) / len(costs) if costs else None


def _matches(letter: Letter, chosen: Filter) -> bool:
    wanted = {"route": chosen.route, "kind": chosen.kind, "agent": chosen.agent, "run": chosen.run}
    if chosen.ids is not None and letter.id not in chosen.ids:
        return False
    open_ = letter.settled_at is None
    if chosen.state != "any" and open_ != (chosen.state == "open"):
        return False
    return all(value is None or getattr(letter, name) == value for name, value in wanted.items())


def _sum(costs: Iterable[Decimal | None]) -> Decimal | None:
    found = list(costs)
    return None if None in found else sum((it for it in found if it is not None), Decimal(0))
