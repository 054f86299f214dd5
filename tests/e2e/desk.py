"""An operator's desk: a ledger and streams of its own, commands as they are typed, and nobody at work unless asked."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import Pool, connect
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.streams.client import connect as connect_streams
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.redis import RedisStreams
from agent.outcome import Outcome
from agent.ports import Begun, Delivery, Pointer
from tests.contract.real import migrated_template
from tests.contract.toys import new_run
from tests.e2e.typed import Typed, typed
from tests.engines import fresh_database


@dataclass(frozen=True)
class Done:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Desk:
    """The engines, and ways to bring runs into a state."""

    urls: EngineUrls
    prefix: str
    folder: Path
    pool: Pool
    redis: Redis

    @property
    def keys(self) -> Keys:
        return Keys(self.prefix)

    @cached_property
    def ledger(self) -> PostgresLedger:
        return PostgresLedger(self.pool)

    def streams(self, worker: str = "tester") -> RedisStreams:
        return RedisStreams(self.redis, self.keys, worker)

    async def run(self, *words: str, **more: str) -> Done:
        """Type a command, and wait until it has ended; keywords are variables of its environment."""
        process = await self.start(*words, **more)
        out, err = await process.communicate()
        return Done(await process.wait(), out.decode(), err.decode())

    async def start(self, *words: str, **more: str) -> Typed:
        """Type a command that goes on until it is told to stop."""
        return await typed(words, {**self._environment(), **more})

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CUELIGHT_")}
        mine = {
            "CUELIGHT_DATABASE_URL": self.urls.database_url,
            "CUELIGHT_REDIS_URL": self.urls.redis_url,
            "CUELIGHT_REDIS_PREFIX": self.prefix,
            "CUELIGHT_DATA_DIR": str(self.folder),
            "CUELIGHT_LOG_LEVEL": "error",
        }
        return {**kept, **mine, "COLUMNS": "80"}

    async def opened(self, name: str, *, route: str = "retrieve", publish: bool = True) -> Pointer:
        """An open run that stands at a route, in its stream if it is to be published."""
        new = new_run(name)
        await self.ledger.open(new)
        await self.pool.execute("update work set route = $2 where run_id = $1", name, route)
        pointer = Pointer(name, 1, 1, route, 1)
        if publish:
            await self.ledger.published({pointer: await self.streams().publish(pointer)})
        return pointer

    async def begun(self, pointer: Pointer, worker: str = "tester") -> Begun:
        found = await self.ledger.begin(Delivery(pointer, "", worker))
        assert found is not None
        return found

    async def settled(self, pointer: Pointer, outcome: Outcome) -> None:
        """What a worker writes after a delivery."""
        assert await self.ledger.commit(await self.begun(pointer), outcome)


@asynccontextmanager
async def desk_at(urls: EngineUrls, prefix: str, folder: Path) -> AsyncIterator[Desk]:
    """A desk over a database of its own."""
    async with fresh_database(urls, template=await migrated_template(urls)) as database:
        pool, redis = await connect(database), connect_streams(urls.redis_url)
        try:
            yield Desk(EngineUrls(database, urls.redis_url), prefix, folder, pool, redis)
        finally:
            await redis.aclose()
            await pool.close()


def interrupt(process: Typed) -> None:
    """Ctrl-C."""
    process.send_signal(signal.SIGINT)
