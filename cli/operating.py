"""The doors of commands with which an operator changes something."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.approvals import PostgresApprovals
from agent.adapters.ledger.cancels import PostgresCancels
from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.jobs import PostgresJobs
from agent.adapters.ledger.letters import PostgresLetters
from agent.adapters.ledger.migrate import require_current
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.retention import PostgresRetention
from agent.adapters.streams.client import connect as connect_streams
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.redis import RedisStreams
from agent.errors import Transient
from agent.fairness import Share
from agent.letters import Verdict
from agent.settings import Settings
from cli.exits import errors


@dataclass(frozen=True, slots=True)
class Operating:
    """What such commands work on."""

    letters: PostgresLetters
    cancels: PostgresCancels
    approvals: PostgresApprovals
    jobs: PostgresJobs
    retention: PostgresRetention
    streams: RedisStreams

    async def publish(self, verdicts: Iterable[Verdict]) -> None:
        """Have workers take up replayed runs at once. The relay does what cannot be done now."""
        pointers = [it.pointer for it in verdicts if it.pointer is not None]
        try:
            if pointers:
                await self.streams.publish_all(pointers)
        except Transient as error:
            errors.print(f"Redis is away, so the relay starts them later: {error}", markup=False, soft_wrap=True)


@asynccontextmanager
async def operating(settings: Settings, urls: EngineUrls) -> AsyncIterator[Operating]:
    """Both engines. Raises `Misconfigured` unless the ledger is at this release's version."""
    await require_current(urls.database_url)
    pool = await connect(urls.database_url, most=2)
    client = connect_streams(urls.redis_url)
    try:
        streams = RedisStreams(
            client, Keys(settings.redis_prefix), "operator", share=Share(settings.queued_per_project)
        )
        ledger = PostgresLedger(pool)
        yield Operating(
            PostgresLetters(pool),
            PostgresCancels(ledger),
            PostgresApprovals(ledger),
            PostgresJobs(pool),
            PostgresRetention(pool),
            streams,
        )
    finally:
        await client.aclose()
        await pool.close()
