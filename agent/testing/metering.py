"""What was used, counted in memory, and the counters that enforce limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from agent.errors import Transient
from agent.metering import OPENING_S, STALE_S, WINDOW_S, LimitName, Room, Scope, Used, Verdict
from agent.testing.bills import spent_usd
from agent.testing.clock import HeldClock
from agent.testing.memory import MemoryLedger

DAY_S = 86_400


class MemoryMeter:
    """See `agent.metering.Meter`: the twin, beside a `MemoryLedger`."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def used(self, project: str, /) -> Mapping[str | None, Used]:
        await self._ledger.ping()
        mine = [row for row in self._ledger.runs.values() if row.new.project == project]
        return {key: self._used(project, key) for key in {None, *(row.new.key for row in mine)}}

    def _used(self, project: str, key: str | None) -> Used:
        runs = {
            id: row
            for id, row in self._ledger.runs.items()
            if row.new.project == project and key in (None, row.new.key)
        }
        calls = [call for call in self._ledger.calls.values() if call.key.run in runs]
        tokens = Counter[int]()
        for call in calls:
            if (age := self._age(self._ledger.heard[call.id])) < WINDOW_S:
                tokens[age] += call.usage.input_tokens + call.usage.output_tokens
        ended = {id for id, row in runs.items() if row.ended_at and self._age(row.created_at) < WINDOW_S}
        return Used(
            began=Counter(age for row in runs.values() if (age := self._age(row.created_at)) < WINDOW_S),
            tokens=+tokens,
            open=frozenset(id for id in runs if id in self._ledger.work),
            ended=frozenset(ended),
            usd=spent_usd(call for call in calls if self._is_today(self._ledger.heard[call.id])),
        )

    def _age(self, at: datetime) -> int:
        return int((self._ledger.clock.now() - at).total_seconds())

    def _is_today(self, at: datetime) -> bool:
        return at.date() == self._ledger.clock.now().date()


@dataclass(slots=True)
class _Counts:
    began: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)
    running: dict[str, int] = field(default_factory=dict)
    filled: int | None = None
    settled: bool = True
    usd: Decimal = Decimal(0)
    day: int = 0


class MemoryCounters:
    """See `agent.metering.Counters`. While `reachable` is False every call raises `Transient`."""

    def __init__(self, clock: HeldClock) -> None:
        self.reachable = True
        self._clock = clock
        self._counts: dict[tuple[str, str | None], _Counts] = {}

    def wipe(self) -> None:
        """Forget everything, as a server that was emptied."""
        self._counts.clear()

    async def enter(self, run: str, scopes: Sequence[Scope], /) -> Verdict:
        await self._turn()
        now, found = self._now(), [self._of(scope) for scope in scopes]
        if any(_unknown(scope, counts, now) for scope, counts in zip(scopes, found, strict=True)):
            return Verdict(known=False)
        for by, (scope, counts) in enumerate(zip(scopes, found, strict=True)):
            if refusal := _refusal(scope, counts, run, now):
                return Verdict([_room(counts, now) for counts in found], True, refusal[0], by, refusal[1])
        for counts in found:
            counts.began[now] += 1
            counts.running[run], counts.settled = now, False
        return Verdict([_room(counts, now) for counts in found])

    async def fill(self, scopes: Sequence[Scope], used: Mapping[str | None, Used], /) -> bool:
        await self._turn()
        return any([self._fill(self._of(scope), used.get(scope.key, Used())) for scope in scopes])

    async def leave(self, run: str, scopes: Sequence[Scope], /) -> None:
        await self._turn()
        for scope in scopes:
            self._of(scope).running.pop(run, None)

    def _fill(self, counts: _Counts, used: Used) -> bool:
        now = self._now()
        counts.tokens = Counter({now - age: count for age, count in used.tokens.items()})
        if counts.filled is None:
            counts.began.update({now - age: count for age, count in used.began.items()})
        young = {run: at for run, at in counts.running.items() if at > now - OPENING_S and run not in used.ended}
        counts.running = {**young, **{run: counts.running.get(run, now) for run in used.open}}
        counts.filled, counts.settled = now, not counts.running
        counts.usd, counts.day = used.usd, now // DAY_S
        return bool(counts.running)

    def _of(self, scope: Scope) -> _Counts:
        return self._counts.setdefault((scope.project, scope.key), _Counts())

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if not self.reachable:
            raise Transient("the counters cannot be reached", kind="streams")


def _unknown(scope: Scope, counts: _Counts, now: int) -> bool:
    if counts.filled is None:
        return True
    matters = scope.limits.tokens_per_min is not None or scope.limits.usd_per_day is not None
    return matters and not counts.settled and now - counts.filled > STALE_S


def _refusal(scope: Scope, counts: _Counts, run: str, now: int) -> tuple[LimitName, int] | None:
    limits, room = scope.limits, _room(counts, now)
    spent = counts.usd if counts.day == now // DAY_S else Decimal(0)
    if limits.usd_per_day is not None and spent >= limits.usd_per_day:
        return "usd_per_day", DAY_S - now % DAY_S
    if limits.requests_per_min is not None and room.requests >= limits.requests_per_min:
        return "requests_per_min", _frees(counts.began, limits.requests_per_min, now)
    if limits.tokens_per_min is not None and room.tokens >= limits.tokens_per_min:
        return "tokens_per_min", _frees(counts.tokens, limits.tokens_per_min, now)
    running = counts.running.keys() - {run}
    if limits.concurrent_runs is not None and len(running) >= limits.concurrent_runs:
        return "concurrent_runs", 1
    return None


def _lately(counts: Counter[int], now: int) -> dict[int, int]:
    return {second: count for second, count in sorted(counts.items()) if second > now - WINDOW_S}


def _frees(counts: Counter[int], limit: int, now: int) -> int:
    """Seconds until enough of the window is over for one more."""
    over, wait = sum(_lately(counts, now).values()) - limit + 1, 0
    for second, count in _lately(counts, now).items():
        if over <= 0:
            break
        over, wait = over - count, second + WINDOW_S - now
    return max(wait, 1)


def _room(counts: _Counts, now: int) -> Room:
    began, tokens = _lately(counts.began, now), _lately(counts.tokens, now)
    resets = [max(window) + WINDOW_S - now if window else 0 for window in (began, tokens)]
    return Room(sum(began.values()), sum(tokens.values()), *resets)
