"""Faults of the network before a server, made by our proxy."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.faults.kind import Act, Told, length
from tests.chaos.plan import Planned
from tests.chaos.proxy import FINE, Weather
from tests.chaos.stage import Stage


def weather(link: str, least_s: float, most_s: float, **bad: Any) -> Act:
    """Bad weather on a link for a while."""

    async def act(stage: Stage, planned: Planned) -> Told:
        found, seconds = stage.links[link], length(planned, least_s, most_s)
        async with found.lock:
            found.weather = Weather(**bad)
            if found.weather.refuse:
                found.reset_all()
            if found.weather.silent:
                found.deafen_all()
            await asyncio.sleep(seconds)
            found.weather = FINE
            found.forget_deaf()
        return {"link": link, "seconds": seconds}

    return act


def reset(link: str) -> Act:
    async def act(stage: Stage, planned: Planned) -> Told:
        stage.links[link].reset_all()
        return {"link": link}

    return act
