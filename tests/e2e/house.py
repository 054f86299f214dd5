"""The whole house: real engines, a library, workers, doors, and a model that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from redis.asyncio import Redis

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import Pool, connect
from agent.adapters.retrieval.ingest import ingest
from agent.adapters.retrieval.library import Library
from agent.adapters.streams.keys import Keys
from agent.events import VerdictGiven
from agent.settings import Settings
from agent.testing.fake_model import FakeModel, Script, running
from api.serve import serve as serve_door
from tests.contract.real import migrated_template
from tests.e2e.shelves import write
from tests.engines import fresh_database, temporary_directory
from tests.sent import heard
from workers.serve import serve as serve_worker

T = TypeVar("T")

PAGE = "# Warranty\n\nThe lamp comes with a warranty of two years. Repairs are free of charge during that time.\n"
QUOTE = "a warranty of two years"
MADE_UP = "zephyrs juggle marmalade across forty purple kingdoms"
RIGHT = {
    "answer": "The lamp comes with a warranty of two years.",
    "citations": [{"passage_id": "p1", "quote": QUOTE}],
    "no_answer": False,
}
WRONG = {
    "answer": f"Certainly {MADE_UP}.",
    "citations": [{"passage_id": "p1", "quote": MADE_UP}],
    "no_answer": False,
}
QUESTION = {"model": "documents", "input": "How long is the warranty of the lamp?"}
PATIENCE_S = 20.0
"""Longer than anything here takes on a busy machine."""


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """What `look` brings once it brings something. Raises `TimeoutError` if that never happens."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await look()):  # noqa: ASYNC110  # engines ring no bell of ours
            await asyncio.sleep(0.02)
        return found


@dataclass
class House:
    """Everything in one event loop. Every byte that a door sent, to whichever client, is kept in `sent`."""

    urls: EngineUrls
    settings: Settings
    pool: Pool
    redis: Redis
    model: FakeModel
    sent: bytearray = field(default_factory=bytearray)

    @property
    def keys(self) -> Keys:
        return Keys(self.settings.redis_prefix)

    def never_sent(self, *words: str | bytes) -> bool:
        """Whether something was sent, and none of these words with it."""
        said = [word.encode() if isinstance(word, str) else word for word in words]
        return b'"object":' in self.sent and not any(word in self.sent for word in said)

    @asynccontextmanager
    async def worker(self, routes: Iterable[str] = (), **changes: Any) -> AsyncIterator[None]:
        """A worker, for as long as the block lasts."""
        settings, stop = self.settings.model_copy(update=changes), asyncio.Event()
        working = serve_worker(settings, self.urls.database_url, self.urls.redis_url, stop, tuple(routes))
        task = asyncio.create_task(working)
        try:
            yield
        finally:
            stop.set()
            await self.wake_readers()
            await task

    @asynccontextmanager
    async def door(self, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A client of an HTTP door of its own, for as long as the block lasts."""
        settings, stop = self.settings.model_copy(update=changes), asyncio.Event()
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = serve_door(settings, self.urls.database_url, self.urls.redis_url, stop, ready.set_result)
        task = asyncio.create_task(serving)
        try:
            await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            with heard(self.sent):
                async with httpx.AsyncClient(base_url=await ready, timeout=60, trust_env=False) as http:
                    yield http
        finally:
            ready.cancel()
            stop.set()
            await task

    async def wake_readers(self) -> None:
        """A reader that waits for work notices a second later that it shall not; nobody wants to wait for that."""
        for client in await self.redis.client_list():
            if "b" in client["flags"]:
                await self.redis.client_unblock(int(client["id"]))

    async def story(self, run: str) -> list[str]:
        """The types of a run's events, in order, without what each single check said."""
        rows = await self.pool.fetch("select type from events where run_id = $1 order by generation, seq", run)
        return [row["type"] for row in rows if row["type"] != VerdictGiven.type]

    async def entries(self, key: str) -> list[dict[str, str]]:
        """What the entries of a stream say, oldest first."""
        found: Any = await self.redis.xrange(key)
        return [fields for _, fields in found]

    async def calls(self, run: str, kind: str = "call_model") -> list[Any]:
        statement = "select * from calls where run_id = $1 and effect_type = $2 order by seq, asked_at, id"
        return list(await self.pool.fetch(statement, run, kind))

    async def attempts(self, run: str) -> list[Any]:
        return list(await self.pool.fetch("select * from attempts where run_id = $1 order by began_at", run))

    async def dead_letters(self) -> list[Any]:
        return list(await self.pool.fetch("select * from dead_letters order by created_at, id"))

    async def published(self) -> str | None:
        """The one open run once its work stands in a stream, and the ledger knows where."""
        found: str | None = await self.pool.fetchval("select run_id from work where entry is not null")
        return found

    async def happened(self, run: str, kind: str, version: int, data: str, route: str, seq: int = 2) -> None:
        """Let an event happen to a run that nobody works on, as another release might have written it."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "insert into events (run_id, generation, seq, type, version, data) values ($1, 1, $5, $2, $3, $4)",
                *(run, kind, version, data, seq),
            )
            await connection.execute(
                "update work set seq = $3, route = $2, entry = null, published_at = null where run_id = $1",
                *(run, route, seq),
            )


@asynccontextmanager
async def opened(urls: EngineUrls, prefix: str, lines: list[Any], **changes: Any) -> AsyncIterator[House]:
    """A house with one page in its library and nobody at work yet."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(fresh_database(urls, template=await migrated_template(urls)))
        model = await stack.enter_async_context(running(Script.of(lines)))
        folder = stack.enter_context(temporary_directory())
        pool = await connect(database)
        stack.push_async_callback(pool.close)
        redis = await stack.enter_async_context(Redis.from_url(urls.redis_url, decode_responses=True))
        await ingest(Library(pool), [write(folder / "pages", warranty=PAGE)])
        settings = _settings(folder, prefix, model, changes)
        yield House(EngineUrls(database, urls.redis_url), settings, pool, redis, model)


def _settings(folder: Path, prefix: str, model: FakeModel, changes: dict[str, Any]) -> Settings:
    fast = {"lease_s": 0.5, "sweep_s": 0.05, "drain_s": 5.0, "port": 0, "slots": 8}
    mine = {"data_dir": folder, "redis_prefix": prefix, "model_base_url": model.base_url, "models": "m1,m2"}
    agents = "agent.agents:documents,agent.agents:chat,tests.e2e.company:hasty,tests.e2e.company:twice"
    return Settings(**{"agent": agents, "model_api_key": "sk-test", **fast, **mine, **changes})


Open = Callable[..., AbstractAsyncContextManager[House]]
"""Opens a house whose model follows the given lines; keywords are settings."""
