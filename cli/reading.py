"""The doors of commands that look and never touch, and those of an operator who stops things."""

from __future__ import annotations

import getpass
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.looking import LedgerLook
from agent.adapters.ledger.migrate import require_current
from agent.adapters.ledger.pauses import PostgresPauses
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.looking import StreamLook, looking_client
from agent.errors import Misconfigured
from agent.settings import Settings
from agent.wiring import cast


@dataclass(frozen=True, slots=True)
class Looking:
    """What the commands of inspection read."""

    ledger: LedgerLook
    streams: StreamLook
    pauses: PostgresPauses


@asynccontextmanager
async def looking(settings: Settings, urls: EngineUrls) -> AsyncIterator[Looking]:
    """Both engines, to be read. Raises `Misconfigured` unless the ledger is at this release's version."""
    await require_current(urls.database_url)
    pool = await connect(urls.database_url, most=2)
    client = looking_client(urls.redis_url)
    try:
        yield Looking(LedgerLook(pool), StreamLook(client, Keys(settings.redis_prefix)), PostgresPauses(pool))
    finally:
        await client.aclose()
        await pool.close()


def routes_of(settings: Settings) -> Sequence[str]:
    """The routes of the configured agents; none where they cannot be loaded: an operator must still be able to look."""
    with suppress(Misconfigured):
        return cast(settings).routes
    return ()


def operator() -> str:
    """Who types this, for the audit."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return f"{name}@{socket.gethostname()[:40]}"
