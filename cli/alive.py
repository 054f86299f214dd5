"""`python -m cli.alive [jobs]`: the health check of a worker's or a jobs process' container.

They serve no HTTP: of a worker the streams are asked, of a jobs process the ledger.
"""

from __future__ import annotations

import socket
import sys

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import connect as connect_ledger
from agent.adapters.ledger.errors import AWAY
from agent.adapters.ledger.pauses import PostgresPauses
from agent.adapters.ledger.presence import PostgresPresence
from agent.adapters.streams.client import connect
from agent.adapters.streams.keys import Keys
from agent.errors import Transient
from agent.pauses import ROUTE
from agent.settings import Settings, load
from agent.wiring import cast
from cli import loop
from cli.find import attached

QUIET_MS = 15_000
"""A worker looks into its streams every second or so; one that was silent for so long hangs or is cut off."""


async def paused(database_url: str) -> bool:
    """Has an operator paused a route? Its workers are silent then, and not to be killed for it."""
    try:
        pool = await connect_ledger(database_url, most=1)
    except AWAY:
        return False
    try:
        return any(pause.scope.startswith(ROUTE) for pause in await PostgresPauses(pool).pauses())
    except Transient:
        return False
    finally:
        await pool.close()


async def lives(settings: Settings, urls: EngineUrls) -> bool:
    """Does a worker of this machine read, or is it kept from reading?"""
    return await reads(settings, urls.redis_url) or await paused(urls.database_url)


async def reads(settings: Settings, redis_url: str) -> bool:
    """Has a worker of this machine looked into a stream of the configured agents lately?"""
    keys = Keys(settings.redis_prefix)
    async with connect(redis_url) as client:
        for route in cast(settings).routes:
            if not await client.exists(keys.work(route)):
                continue
            for consumer in await client.xinfo_consumers(keys.work(route), keys.group(route)):
                if consumer["name"].startswith(f"{socket.gethostname()[:40]}:") and consumer["idle"] < QUIET_MS:
                    return True
    return False


async def jobs_live(database_url: str) -> bool:
    """Has a jobs process of this machine told the ledger lately that it lives?"""
    try:
        pool = await connect_ledger(database_url, most=1)
    except AWAY:
        return False
    try:
        here = f"{socket.gethostname()[:40]}:"
        return any(it.kind == "jobs" and it.id.startswith(here) for it in await PostgresPresence(pool).alive())
    except Transient:
        return False
    finally:
        await pool.close()


def main() -> None:
    """Exit code 0 if it lives, else 1."""
    settings = load()
    urls = attached(settings)
    if urls is None:
        sys.exit(1)
    alive = jobs_live(urls.database_url) if sys.argv[1:] == ["jobs"] else lives(settings, urls)
    sys.exit(0 if loop.run(alive) else 1)


if __name__ == "__main__":
    main()
