"""Pacing in memory, with the promises of the real one and a clock that the test holds."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from agent.errors import Transient
from agent.failures import FAILING, INVALID, Breaker, follows
from agent.pacing import (
    LEASE_S,
    PATIENCE_S,
    PROBE_S,
    SHORT_S,
    WINDOW_S,
    Came,
    Hold,
    Target,
    Turn,
    Wanted,
)
from agent.testing.clock import HeldClock

DAY_S = 86_400
LEAST_PAUSE_S = 0.1
MOST_QUEUE_S = 30.0


@dataclass(slots=True)
class _State:
    """What stands in the real one's hash."""

    until: float = 0.0
    kind: str = ""
    half: float = 0.0
    opens: int = 0
    part: int = 0
    ok: list[int] = field(default_factory=lambda: [0, 0, 0])
    bad: list[int] = field(default_factory=lambda: [0, 0, 0])

    def tally(self, good: bool, part: int) -> tuple[int, int]:
        by, self.part = part - self.part, part
        self.ok, self.bad = ([*[0] * min(by, 3), *it[: max(3 - by, 0)]] for it in (self.ok, self.bad))
        (self.ok if good else self.bad)[0] += 1
        return sum(self.ok), sum(self.bad)


@dataclass(slots=True)
class _Used:
    requests: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)
    tails: dict[str, float] = field(default_factory=dict)
    calls: dict[str, float] = field(default_factory=dict)
    """The ends of their leases."""
    crowded: bool = False
    usd: Decimal = Decimal(0)
    day: int = -1


class MemoryPacer:
    """See `agent.pacing.Pacer`. While `reachable` is False every method raises `Transient`."""

    def __init__(self, clock: HeldClock | None = None) -> None:
        self.reachable = True
        self.spent: dict[Target, Decimal] = {}
        """What the ledger says that models have cost today."""
        self._clock = clock or HeldClock()
        self._states: defaultdict[tuple[Target, str], _State] = defaultdict(_State)
        self._used: defaultdict[Target, _Used] = defaultdict(_Used)
        self._listeners: list[asyncio.Queue[Hold]] = []

    async def reserve(self, wanted: Wanted, /) -> Turn | Hold:
        await self._turn()
        places = [(wanted.target, ""), (wanted.target, wanted.agent)]
        gates = [self._gate(place) for place in places]
        if held := next((it for it in gates if it is not None and not it.probing), None):
            return held
        if waits := next((it for it in gates if it is not None and it.left_s > 0), None):
            return waits
        if full := self._full(wanted):
            return full
        self._take(wanted)
        probes = 0
        for number, (place, gate) in enumerate(zip(places, gates, strict=True), start=1):
            if gate is not None:
                left_s = PATIENCE_S if gate.kind == "rate_limited" else PROBE_S
                self._states[place].half = self._now() + left_s
                self._tell(place, gate.kind, left_s, probing=True)
                probes += number
        return Turn(wanted, int(self._now()), probes)

    async def settle(self, turn: Turn, came: Came, /) -> None:
        await self._turn()
        self._give_back(turn, came)
        wanted, then = turn.wanted, follows(came.kind)
        place = (wanted.target, "")
        state, probes = self._states[place], turn.probes % 2 == 1
        if turn.probes > 1 and came.kind != "ok":
            self._states[wanted.target, wanted.agent].half = 0.0
        if then.pauses and came.wait_s is not None:
            self._hold(place, max(came.wait_s, LEAST_PAUSE_S), came.kind)
        elif then.opens_for_s:
            self._hold(place, then.opens_for_s, came.kind)
        elif came.kind in ("unmade", "unknown"):
            state.half = 0.0 if probes else state.half
        elif then.breaker is not None:
            self._count(place, False, came.kind, probes, then.breaker)
        elif probes:
            self._free(place)
        elif came.kind == "ok" and any(state.bad):
            state.tally(True, self._part(FAILING))

    async def judge(self, target: Target, agent: str, valid: bool, /) -> None:
        await self._turn()
        state = self._states[target, agent]
        if not valid or state.kind or any(state.bad):
            self._count((target, agent), valid, "invalid", state.half > 0, INVALID)

    async def renew(self, turns: Sequence[Turn], /) -> None:
        await self._turn()
        for turn in turns:
            if turn.wanted.allowance.concurrency is not None:
                self._used[turn.wanted.target].calls[turn.wanted.call] = self._now() + LEASE_S

    async def holds(self, targets: Sequence[Target], /) -> Sequence[Hold]:
        await self._turn()
        found = (self._look(*place) for place in sorted(self._states) if place[0] in targets)
        return [hold for hold in found if hold is not None]

    async def resume(self, target: Target, /) -> bool:
        await self._turn()
        places = {(target, ""), *(place for place, it in self._states.items() if place[0] == target and it.kind)}
        found = any(self._states[place].kind for place in places)
        for place in places:
            self._free(place)
        return found

    async def heard(self) -> AsyncIterator[Hold]:
        told: asyncio.Queue[Hold] = asyncio.Queue()
        self._listeners.append(told)
        try:
            while True:
                yield await told.get()
        finally:
            self._listeners.remove(told)

    def wipe(self) -> None:
        """What FLUSHALL does."""
        self._states.clear()
        self._used.clear()

    def _gate(self, place: tuple[Target, str]) -> Hold | None:
        """What keeps a call from being made; a probing hold without time left lets one call through."""
        state, now = self._states[place], self._now()
        if not state.kind:
            return None
        if state.until > now:
            return Hold(place[0], state.kind, state.until - now, place[1])
        if state.half > now:
            return Hold(place[0], state.kind, state.half - now, place[1], probing=True, wait_s=SHORT_S)
        if state.half > 0 and state.kind == "rate_limited":
            self._free(place)
            return None
        return Hold(place[0], state.kind, 0.0, place[1], probing=True)

    def _full(self, wanted: Wanted) -> Hold | None:
        used, allowance, now = self._used[wanted.target], wanted.allowance, self._now()
        for kind, counts, amount, most in (
            ("requests_per_min", used.requests, 1, allowance.requests_per_min),
            ("tokens_per_min", used.tokens, wanted.tokens, allowance.tokens_per_min),
        ):
            if most is not None and (first_s := _frees_s(counts, amount, most, now)):
                tail = max(used.tails.get(kind, 0.0), now + first_s)
                if tail < now + first_s + MOST_QUEUE_S:
                    used.tails[kind] = tail + 60 * amount / most
                return Hold(wanted.target, kind, first_s, wait_s=tail - now)
        day = int(now) // DAY_S
        if allowance.usd_per_day is not None and used.day < 0:
            used.day, used.usd = day, self.spent.get(wanted.target, Decimal(0))
        spent = used.usd if used.day == day else Decimal(0)
        if allowance.usd_per_day is not None and spent + (wanted.usd or 0) > allowance.usd_per_day:
            left_s = min((day + 1) * DAY_S - now, 60.0)
            return Hold(wanted.target, "usd_per_day", left_s, wait_s=left_s)
        under_way = sum(until > now for until in used.calls.values())
        if allowance.concurrency is not None and under_way >= allowance.concurrency:
            used.crowded = True
            return Hold(wanted.target, "concurrency", 1.0, probing=True, wait_s=SHORT_S)
        return None

    def _take(self, wanted: Wanted) -> None:
        used, allowance, second = self._used[wanted.target], wanted.allowance, int(self._now())
        if allowance.requests_per_min is not None:
            used.requests[second] += 1
        if allowance.tokens_per_min is not None:
            used.tokens[second] += wanted.tokens
        if allowance.concurrency is not None:
            used.calls[wanted.call] = self._now() + LEASE_S
        if allowance.usd_per_day is not None:
            before = used.usd if used.day == second // DAY_S else Decimal(0)
            used.day, used.usd = second // DAY_S, before + (wanted.usd or 0)

    def _give_back(self, turn: Turn, came: Came) -> None:
        wanted, used = turn.wanted, self._used[turn.wanted.target]
        used.calls.pop(wanted.call, None)
        tokens, usd = (0, Decimal(0)) if came.kind == "unmade" else (came.tokens, came.usd)
        if tokens is not None and turn.second in used.tokens:
            used.tokens[turn.second] += tokens - wanted.tokens
        if came.kind == "unmade" and turn.second in used.requests:
            used.requests[turn.second] -= 1
        if usd is not None and used.day == turn.second // DAY_S:
            used.usd += usd - (wanted.usd or 0)
        if used.crowded and not self._states[wanted.target, ""].kind:
            self._tell((wanted.target, ""), "", 0.0)
        used.crowded = False

    def _count(self, place: tuple[Target, str], good: bool, kind: str, probes: bool, breaker: Breaker) -> None:
        state = self._states[place]
        if state.kind:
            if state.until <= self._now() and probes:
                self._free(place) if good else self._open(place, kind, breaker)
            return
        ok, bad = state.tally(good, self._part(breaker))
        if not good and bad >= breaker.failures and bad >= breaker.share * (ok + bad):
            self._open(place, kind, breaker)

    def _open(self, place: tuple[Target, str], kind: str, breaker: Breaker) -> None:
        state = self._states[place]
        state.opens += 1
        state.ok, state.bad = [0, 0, 0], [0, 0, 0]
        self._hold(place, min(breaker.first_s * 2 ** (state.opens - 1), breaker.most_s), kind)

    def _hold(self, place: tuple[Target, str], left_s: float, kind: str) -> None:
        state, until = self._states[place], self._now() + left_s
        if until > state.until:
            state.until, state.kind = until, kind
        state.half = 0.0
        self._tell(place, state.kind, state.until - self._now())

    def _free(self, place: tuple[Target, str]) -> None:
        self._states[place] = _State()
        self._tell(place, "", 0.0)

    def _look(self, target: Target, agent: str) -> Hold | None:
        state, now = self._states[target, agent], self._now()
        if not state.kind:
            return None
        probing = state.until <= now < state.half
        left_s = max(state.until - now, 0.0) or max(state.half - now, 0.0)
        return Hold(target, state.kind, left_s, agent, probing, state.opens)

    def _tell(self, place: tuple[Target, str], kind: str, left_s: float, *, probing: bool = False) -> None:
        for told in self._listeners:
            told.put_nowait(Hold(place[0], kind, left_s, place[1], probing))

    def _part(self, breaker: Breaker) -> int:
        return math.floor(self._now() / (breaker.window_s / 3))

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if not self.reachable:
            raise Transient("the pacing cannot be reached", kind="streams")


def _frees_s(counts: Counter[int], amount: int, most: int, now: float) -> float:
    """Seconds until there is room for `amount`; 0 if there is. What alone is too much goes when nothing else counts."""
    lately = {second: count for second, count in sorted(counts.items()) if second > int(now) - WINDOW_S}
    total = sum(lately.values())
    if total == 0 or total + amount <= most:
        return 0.0
    over, wait_s = total + amount - most, 0.0
    for second, count in lately.items():
        if over <= 0:
            break
        over, wait_s = over - count, second + WINDOW_S - now
    return max(wait_s, 0.001)
