"""The ledger in memory: the promises of the real one, in microseconds and without a database.

Its rows are open to tests: `runs`, `events`, `work`, `attempts`, `calls`, `dead_letters`, `passages`, `shelves`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from itertools import count
from typing import assert_never, cast

import orjson

from agent.access import Project, hashed
from agent.envelope import Envelope, Key, Sealed, scrub, seal
from agent.errors import Gone, KeyTaken, Refused, Transient
from agent.events import RunCancelled
from agent.outcome import Advance, Bury, Outcome, Postpone, failure_of
from agent.ports import (
    DEFAULT_PROJECT,
    Begun,
    Call,
    Delivery,
    NewRun,
    Place,
    Pointer,
    RunStatus,
    RunView,
    StoredPassage,
    Unreadable,
)
from agent.testing import bills
from agent.testing.clock import HeldClock
from agent.testing.rows import AttemptRow, AuditRow, CallRow, DeadLetter, KeyRow, RunRow, WorkRow


class MemoryLedger:
    """A `Ledger` and a `Shelf` whose clock the test holds.

    Every method first lets other tasks go on, as a real store would, and is one indivisible write after that. While
    `reachable` is False each of them raises `Transient`.
    """

    def __init__(self, clock: HeldClock | None = None) -> None:
        self.clock = clock or HeldClock()
        self.reachable = True
        self.runs: dict[str, RunRow] = {}
        self.events: dict[str, list[Envelope]] = {}
        self.work: dict[str, WorkRow] = {}
        self.attempts: dict[str, AttemptRow] = {}
        self.calls: dict[str, CallRow] = {}
        self.dead_letters: dict[str, DeadLetter] = {}
        self.heard: dict[str, datetime] = {}
        """When each call was put on record last."""
        self.keys: dict[tuple[str, str], KeyRow] = {}
        self.audit: list[AuditRow] = []
        self.passages: dict[str, StoredPassage] = {}
        self.shelves: set[tuple[str, str]] = set()
        self.projects = {DEFAULT_PROJECT: Project(DEFAULT_PROJECT, "Default", link_secret=hashed(DEFAULT_PROJECT))}
        self.on_end: list[Callable[[str], None]] = []
        """Told of each run that ends, within the write that ends it."""
        self._numbers = count(1)

    async def open(self, new: NewRun, /) -> str:
        """As `Ledger.open`; a run that is there already stays as it is. Raises `Refused` for text no store takes."""
        await self._turn()
        if not _storable(new.request) or not _storable(new.first.data):
            raise Refused(f"run {new.id} holds characters that cannot be stored")
        if (behind := self._behind(new)) in self.runs:
            return behind
        now = self.clock.now()
        self.runs[new.id] = RunRow(new, now, now + timedelta(seconds=new.deadline_s), holder=new.holder)
        self.events[new.id] = [Envelope(new.pointer.key, new.first, now)]
        self.work[new.id] = WorkRow(new.pointer, now)
        return new.id

    def _behind(self, new: NewRun) -> str:
        """The run that has the key of this one, which may be itself."""
        if new.once is None:
            return new.id
        place, now = (new.project, new.once.key), self.clock.now()
        row = self.keys.get(place)
        if row is None or row.expires_at <= now or self.runs[row.run].deleted:
            row = KeyRow(new.id, new.once.body_hash, now + timedelta(seconds=new.once.lives_s))
            self.keys[place] = row
        if row.body_hash != new.once.body_hash:
            raise KeyTaken(f"{row.run} has this key")
        return row.run

    async def begin(self, delivery: Delivery, /) -> Begun | None:
        """As `Ledger.begin`."""
        await self._turn()
        work = self._standing(delivery.pointer)
        if work is None or work.due_at > self.clock.now():
            return None
        if not _carries(work, delivery):
            return None
        work.entry = work.entry or delivery.entry or None
        work.deliveries += 1
        work.begins += 1
        for call in self._calls_of(work.pointer.key):
            if call.status == "asked":
                call.status = "unknown"
        return self._begun(delivery, work, self._open_attempt(delivery, work))

    async def carries(self, delivery: Delivery, /) -> bool:
        """As `Ledger.carries`."""
        await self._turn()
        work = self._standing(delivery.pointer)
        return work is not None and _carries(work, delivery)

    async def deliveries(self, delivery: Delivery, /) -> int:
        """As `Ledger.deliveries`."""
        await self._turn()
        work = self._standing(delivery.pointer)
        return 0 if work is None else work.deliveries

    async def intend(self, begun: Begun, call: Call, /) -> None:
        """As `Ledger.intend`."""
        await self._turn()
        if self._newest(begun) is None or begun.deadline <= self.clock.now() or call.id in self.calls:
            raise Gone(f"{begun.pointer.run} has ended, went on, or has no time left")
        self._keep(begun, [call])
        call.intended = True

    async def moved_on(self, held: Sequence[Begun], /) -> frozenset[str]:
        """As `Ledger.moved_on`."""
        await self._turn()
        return frozenset(begun.token for begun in held if self._newest(begun) is None)

    async def record(self, begun: Begun, /) -> None:
        """As `Ledger.record`."""
        await self._turn()
        self._keep(begun, begun.calls)
        begun.calls.clear()

    async def commit(self, begun: Begun, outcome: Outcome, /, note: AuditRow | None = None) -> bool:
        """As `Ledger.commit`; `note` stands on the audit by the same write, or not at all."""
        await self._turn()
        if isinstance(outcome, Advance) and not all(_storable(event.data) for event in outcome.events):
            outcome = Bury("unstorable", "an event holds characters that cannot be stored", failure_of("unstorable"))
        self._keep(begun, begun.calls)
        work = self._newest(begun)
        self._close(begun, outcome, won=work is not None)
        if work is None:
            return False
        self._settle(begun, work, outcome)
        self.audit += [note] if note else []
        return True

    async def hand_back(self, begun: Begun, /) -> bool:
        """As `Ledger.hand_back`."""
        await self._turn()
        self._keep(begun, begun.calls)
        for call in self.calls.values():
            if call.token == begun.token and call.status == "asked":
                call.status = "unknown"
        self._close(begun, None)
        work = self._newest(begun)
        if work is None:
            return False
        work.deliveries, work.begins, work.entry = work.deliveries - 1, work.begins + 1, None
        return True

    async def bury_unreadable(self, unreadable: Unreadable, /) -> None:
        """As `Ledger.bury_unreadable`."""
        await self._turn()
        name, said = f"{unreadable.route}/{unreadable.entry}", (scrub(unreadable.reason), unreadable.readable())
        letter = DeadLetter(name, None, unreadable.route, "unreadable", *said, self.clock.now(), raw=unreadable.raw())
        self.dead_letters.setdefault(name, letter)

    async def published(self, entries: Mapping[Pointer, str], /) -> None:
        """As `Ledger.published`."""
        await self._turn()
        for pointer, entry in entries.items():
            work = self._standing(pointer)
            if work is not None and work.entry is None and work.due_at <= self.clock.now():
                work.entry = entry

    async def view(self, run: str, project: str, /) -> RunView | None:
        """As `Shelf.view`; the totals are there once the run ended."""
        await self._turn()
        row = self.runs.get(run)
        if row is None or row.new.project != project:
            return None
        owner, begun = self.projects.get(project), run not in self.work or self.work[run].begins > 0
        return replace(row.view(row.generation), begun=begun, link_secret=owner.link_secret if owner else b"")

    async def ended(self, runs: Sequence[str], /) -> Sequence[str]:
        """As `Shelf.ended`."""
        await self._turn()
        return [run for run in runs if run not in self.work]

    async def places(self, runs: Sequence[str], /) -> Mapping[str, Place]:
        """As `Shelf.places`."""
        await self._turn()
        rows = {run: self.work[run] for run in runs if run in self.work}
        return {run: Place(row.pointer.generation, row.pointer.seq, row.begins > 0) for run, row in rows.items()}

    async def happened(self, run: str, generation: int, /) -> Sequence[Envelope]:
        """As `Shelf.happened`."""
        await self._turn()
        return [event for event in self.events.get(run, ()) if event.key.generation == generation]

    async def passage(self, passage: str, project: str, /) -> StoredPassage | None:
        """As `Shelf.passage`; a test puts passages into `passages` by id."""
        await self._turn()
        found = self.passages.get(passage)
        return found if found is not None and found.project == project else None

    async def collections(self, project: str, names: Sequence[str], /) -> frozenset[str]:
        """As `Shelf.collections`; a test puts pairs of a project and a name into `shelves`."""
        await self._turn()
        return frozenset(name for name in names if (project, name) in self.shelves)

    async def ping(self) -> None:
        """As `Shelf.ping`."""
        await self._turn()

    def due(self) -> list[Pointer]:
        """Where the open runs stand whose time has come, the longest due first: what a relay publishes."""
        rows = sorted(self.work.values(), key=lambda work: work.due_at)
        return [work.pointer for work in rows if work.due_at <= self.clock.now()]

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if not self.reachable:
            raise Transient("the ledger cannot be reached", kind="ledger")

    def _standing(self, pointer: Pointer) -> WorkRow | None:
        """The work row, if the run still stands where `pointer` says."""
        work = self.work.get(pointer.run)
        if work is None or (work.pointer.key, work.pointer.attempt) != (pointer.key, pointer.attempt):
            return None
        return work

    def _newest(self, begun: Begun) -> WorkRow | None:
        """The work row, if no other delivery was handed out since: the fence."""
        work = self._standing(begun.pointer)
        return work if work is not None and begun.number in (0, work.begins) else None

    def _calls_of(self, key: Key) -> list[CallRow]:
        return [call for call in self.calls.values() if call.key == key]

    def _calls_at(self, key: Key) -> list[CallRow]:
        """Those of earlier generations too: an answer on record is not paid for again."""
        return [call for call in self.calls.values() if (call.key.run, call.key.seq) == (key.run, key.seq)]

    def _open_attempt(self, delivery: Delivery, work: WorkRow) -> str:
        token, at = f"attempt-{next(self._numbers)}", work.pointer
        self.attempts[token] = AttemptRow(
            token, at.key, at.route, at.attempt, work.deliveries, delivery.worker, delivery.entry, self.clock.now()
        )
        self.attempts[token].begins = work.begins
        return token

    def _begun(self, delivery: Delivery, work: WorkRow, token: str) -> Begun:
        key, row = work.pointer.key, self.runs[work.pointer.run]
        mine = [call for call in self.calls.values() if call.key.run == key.run]
        return Begun(
            delivery=delivery,
            token=token,
            deliveries=work.deliveries,
            number=work.begins,
            agent=row.new.agent,
            agent_version=row.new.agent_version,
            prompts=dict(row.new.prompts),
            request=row.new.request,
            deadline=row.deadline,
            remaining_s=(row.deadline - self.clock.now()).total_seconds(),
            spent_usd=bills.spent_usd(mine),
            trace=row.new.trace,
            events=[event for event in self.events[key.run] if event.key.generation == key.generation],
            spent_tokens=bills.tokens(mine),
            unknown_calls=bills.unknown(mine),
            model_calls=bills.made(mine),
            failures=self._failures(key),
            answers=bills.answers(self._calls_at(key)),
        )

    def _failures(self, key: Key) -> int:
        mine = (it for it in self.attempts.values() if it.key[:2] == key[:2])
        return sum(it.outcome == "postpone" and it.settled is True for it in mine)

    def _keep(self, begun: Begun, calls: Iterable[Call]) -> None:
        for call in calls:
            known = self.calls.get(call.id)
            # what came of a call is never forgotten again; a late answer replaces `unknown`
            if known is None or (known.status in ("asked", "unknown") and call.status != "asked"):
                self.calls[call.id] = row = bills.row_of(call, begun, next(self._numbers))
                row.asked_at, self.heard[call.id] = known.asked_at if known else self.clock.now(), self.clock.now()
                row.ended_at = None if call.status == "asked" else self.clock.now()
                if self._is_purged(row.key.run):
                    row.effect, row.effect_hash, row.answer, row.error = "{}", "", None, None

    def _close(self, begun: Begun, outcome: Outcome | None, *, won: bool | None = None) -> None:
        """Without an outcome it was handed back."""
        attempt = self.attempts.get(begun.token)
        if attempt is None:  # ended from outside
            return
        attempt.settled, attempt.ended_at = won, self.clock.now()
        if begun.refusals and outcome is not None and not self._is_purged(begun.pointer.run):
            attempt.refusals = scrub(orjson.dumps([asdict(it) for it in begun.refusals]).decode())
        match outcome:
            case None:
                attempt.outcome = "handed_back"
            case Advance():
                attempt.outcome = "advance"
            case Postpone(counted=counted, delay_s=delay_s):
                attempt.outcome, attempt.delay_s = "postpone" if counted else "park", delay_s
            case Bury():
                attempt.outcome = "bury"
        if isinstance(outcome, Postpone | Bury):
            attempt.error_kind = outcome.kind
            attempt.error = None if self._is_purged(begun.pointer.run) else scrub(outcome.reason)

    def _is_purged(self, run: str) -> bool:
        return run in self.runs and self.runs[run].purged

    def _settle(self, begun: Begun, work: WorkRow, outcome: Outcome) -> None:
        match outcome:
            case Advance():
                self._advance(work.pointer, outcome)
            case Postpone():
                self._postpone(work.pointer, outcome)
            case Bury():
                self._bury(begun, outcome)
            case _:
                assert_never(outcome)

    def _advance(self, at: Pointer, outcome: Advance) -> None:
        self._append(at, outcome.events)
        if outcome.route is None:
            self._end(at.run, outcome.events[-1], outcome.status)
        else:
            next_at = replace(at, seq=at.seq + len(outcome.events), route=outcome.route, attempt=1)
            due_at = self.clock.now() + timedelta(seconds=outcome.delay_s)
            self.work[at.run] = WorkRow(next_at, due_at, begins=self.work[at.run].begins)

    def _postpone(self, at: Pointer, outcome: Postpone) -> None:
        due_at = self.clock.now() + timedelta(seconds=outcome.delay_s)
        again = replace(at, attempt=at.attempt + outcome.counted)
        self.work[at.run] = WorkRow(again, due_at, begins=self.work[at.run].begins)

    def _bury(self, begun: Begun, outcome: Bury) -> None:
        at, newest = begun.pointer, self.events[begun.pointer.run][-1].sealed
        event = {"type": newest.type, "version": newest.version, "data": newest.data}
        body = orjson.dumps({"event": event, "deliveries": begun.deliveries, "trace": at.trace}).decode()
        self.dead_letters[str(at.key)] = DeadLetter(
            *(str(at.key), at, at.route, outcome.kind, scrub(outcome.reason), body, self.clock.now()),
            history=bills.history(self.attempts.values(), self.calls.values(), at.key),
        )
        failure = seal(outcome.failure, agent=begun.agent_id, prompts=begun.prompts, trace=begun.trace)
        self._append(at, [failure])
        self._end(at.run, failure, outcome.failure.status)

    def _append(self, at: Pointer, events: Sequence[Sealed]) -> None:
        for seq, sealed in enumerate(events, start=at.seq + 1):
            self.events[at.run].append(Envelope(Key(at.run, at.generation, seq), sealed, self.clock.now()))

    def _end(self, run: str, ending: Sealed, status: str) -> None:
        row, calls = self.runs[run], [call for call in self.calls.values() if call.key.run == run]
        for call in calls:
            if call.status == "asked":
                call.status = "unknown"
        row.status, row.ended_at = cast(RunStatus, status), self.clock.now()
        row.cancelled_by = orjson.loads(ending.data)["by"] if ending.type == RunCancelled.type else None
        row.ending = Sealed(ending.type, ending.version, ending.data)
        row.usage, row.cost_usd, row.calls = bills.usage(calls), bills.cost_usd(calls), bills.model_calls(calls)
        row.attempts = sum(attempt.key.run == run for attempt in self.attempts.values())
        del self.work[run]
        for tell in self.on_end:
            tell(run)


def _carries(work: WorkRow, delivery: Delivery) -> bool:
    return not work.entry or delivery.entry in ("", work.entry)


def _storable(text: str) -> bool:
    """PostgreSQL takes neither NUL nor lone surrogates."""
    return "\x00" not in text and text.encode("utf-8", "replace").decode() == text
