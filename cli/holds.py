"""What the models are on hold for: read from the service that runs, and ended by an operator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import connect as connect_ledger
from agent.adapters.ledger.pauses import PostgresPauses
from agent.adapters.streams.client import connect
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.pacing import RedisPacer
from agent.errors import Transient
from agent.pacing import Hold, Target
from agent.settings import Settings
from cli.find import attached
from cli.reading import operator


async def holds_of(settings: Settings) -> Sequence[Hold] | None:
    """Every hold on a configured model; None where no service runs, or its Redis does not answer."""
    urls = attached(settings)
    if urls is not None:
        with suppress(Transient):
            return await holds_at(settings, urls)
    return None


async def holds_at(settings: Settings, urls: EngineUrls) -> Sequence[Hold]:
    """Every hold on a configured model. Raises `Transient`, or `Misconfigured` if the models cannot be read."""
    targets = [paid.target for paid in settings.paid().values()]
    async with _pacer(settings, urls) as pacer:
        return await pacer.holds(targets)


async def end_holds(settings: Settings, urls: EngineUrls, target: Target) -> bool:
    """End every hold of a model, and put it on the audit; False if there was none. Raises `Transient`."""
    async with _pacer(settings, urls) as pacer:
        found = await pacer.resume(target)
    if found:
        pool = await connect_ledger(urls.database_url, most=1)
        try:
            await PostgresPauses(pool).note("resume", f"model:{target.model}", operator())
        finally:
            await pool.close()
    return found


def said(holds: Sequence[Hold]) -> str:
    """What a table says of one model's holds."""
    return "; ".join(map(_said, holds)) or "free"


def _said(hold: Hold) -> str:
    of = f" for agent {hold.agent}" if hold.agent else ""
    if hold.probing:
        return f"{hold.kind}{of}: one call is finding out whether it is over"
    if hold.left_s <= 0:
        return f"{hold.kind}{of}: the next call will find out whether it is over"
    return f"on hold{of} for {hold.left_s:.1f} s: {hold.kind}"


@asynccontextmanager
async def _pacer(settings: Settings, urls: EngineUrls) -> AsyncIterator[RedisPacer]:
    client = connect(urls.redis_url)
    try:
        yield RedisPacer(client, Keys(settings.redis_prefix))
    finally:
        await client.aclose()
