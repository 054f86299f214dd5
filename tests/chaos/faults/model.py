"""Faults of the model's endpoint: gone, overrun, or talking nonsense."""

from __future__ import annotations

import asyncio

from tests.chaos.faults.kind import Act, Told, length
from tests.chaos.model import drafts, storm
from tests.chaos.plan import Planned
from tests.chaos.proxy import FINE, Weather
from tests.chaos.stage import Stage


async def outage(stage: Stage, planned: Planned) -> Told:
    """Nobody can reach it, and it is stopped; the machine keeps what it knew."""
    model, link = stage.model, stage.links["model"]
    async with model.lock, link.lock:
        link.weather = Weather(refuse=True)
        link.reset_all()
        await asyncio.sleep(0.2)
        await model.remember()
        model.held = True
        await model.kill()
        await asyncio.sleep(length(planned, 1.0, 6.0))
        model.start()
        model.held = False
        up = await model.up()
        link.weather = FINE
        return {"up": up}


def bad_day(kind: str, least_s: float, most_s: float) -> Act:
    """Another script for a while."""

    async def act(stage: Stage, planned: Planned) -> Told:
        async with stage.model.lock:
            await stage.model.play(storm(stage.model.epoch, kind))
            await asyncio.sleep(length(planned, least_s, most_s))
            await stage.model.play(drafts(stage.model.epoch))
            return {}

    return act
