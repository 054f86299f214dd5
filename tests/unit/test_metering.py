"""Dollars of a day, counted a few minutes at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from agent.adapters.ledger.metering import DAY_MIN, FINAL_AFTER_MIN, PostgresMeter

MIDNIGHT = 20_000 * DAY_MIN


class Costs:
    """Stands in for a pool: a clock that a test holds, and what each minute has cost."""

    def __init__(self) -> None:
        self.now = MIDNIGHT + 600
        self.minutes: dict[int, Decimal] = {}
        self.read_from: list[int] = []

    async def fetchval(self, statement: str) -> int:
        return self.now

    async def fetch(self, statement: str, project: str, *since: int) -> list[dict[str, Any]]:
        if not since:
            return []
        self.read_from.append(since[0])
        return [{"key": None, "minute": at, "usd": usd} for at, usd in self.minutes.items() if at >= since[0]]


async def spent(meter: PostgresMeter) -> Decimal:
    return (await meter.used("acme"))[None].usd


async def test_only_minutes_that_may_still_change_are_read_again_and_the_sum_stays_whole() -> None:
    costs = Costs()
    meter = PostgresMeter(costs)  # type: ignore[arg-type]
    costs.minutes = {MIDNIGHT - 1: Decimal(9), MIDNIGHT + 3: Decimal(1), costs.now: Decimal(2)}
    assert await spent(meter) == 3
    costs.now += 1
    costs.minutes[costs.now] = Decimal(4)
    costs.minutes[costs.now - 1] = Decimal(3)
    assert await spent(meter) == 8
    assert costs.read_from == [MIDNIGHT, costs.now - 1 - FINAL_AFTER_MIN]


async def test_after_hours_in_which_nobody_looked_nothing_is_missing() -> None:
    costs = Costs()
    meter = PostgresMeter(costs)  # type: ignore[arg-type]
    costs.minutes = {costs.now: Decimal(1)}
    assert await spent(meter) == 1
    costs.minutes |= {costs.now: Decimal(2), costs.now + 60: Decimal(3)}
    costs.now += 200
    assert await spent(meter) == 5


async def test_a_new_day_begins_with_nothing() -> None:
    costs = Costs()
    meter = PostgresMeter(costs)  # type: ignore[arg-type]
    costs.minutes = {costs.now: Decimal(1)}
    assert await spent(meter) == 1
    costs.now = MIDNIGHT + DAY_MIN + 2
    costs.minutes[costs.now] = Decimal(7)
    assert await spent(meter) == 7
