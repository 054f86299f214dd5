"""How far behind the work is, as an API process knows it without asking for each request."""

from __future__ import annotations

from collections.abc import Mapping

from agent.errors import Transient
from agent.fairness import Queue
from api.pressure import EVERY_S, Pressure
from tests.naps import Naps

BUSY, IDLE = Queue("default", "retrieve"), Queue("acme", "validate", bulk=True)


async def test_it_is_looked_for_again_and_again_and_a_ledger_that_is_away_is_no_pressure() -> None:
    answers: list[Mapping[Queue, float] | Exception] = [
        {BUSY: 40.0},
        Transient("away"),
        ValueError("a bug"),
        {IDLE: 1.0},
    ]
    seen: list[Mapping[Queue, float]] = []

    async def look() -> Mapping[Queue, float]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    naps = Naps()
    async with Pressure(look, naps).running() as pressure:
        while answers:
            await naps.begun(EVERY_S)
            seen.append(pressure.waiting())
            if answers:
                await naps.end(EVERY_S)
    assert seen == [{BUSY: 40.0}, {}, {}, {IDLE: 1.0}]
