"""The relay as a process of its own, and workers that leave relaying to it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.e2e.house import QUESTION, RIGHT, House, Open, until
from workers.serve import serve, serve_relay


@asynccontextmanager
async def idle_worker(it: House) -> AsyncIterator[None]:
    """A worker that does not relay."""
    stop = asyncio.Event()
    urls = it.urls.database_url, it.urls.redis_url
    task = asyncio.create_task(serve(it.settings, *urls, stop, relaying=False))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_a_worker_that_does_not_relay_leaves_lost_work_where_it_is_until_a_relay_comes(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        await until(it.published)
        await it.redis.flushall()
        async with idle_worker(it):
            key = it.keys.work("retrieve")
            await until(lambda: it.redis.exists(key))
            assert await it.pool.fetchval("select epoch from transport") == ""
            stop = asyncio.Event()
            relay = asyncio.create_task(serve_relay(it.settings, it.urls.database_url, it.urls.redis_url, stop))
            assert (await waiting).json()["status"] == "completed"
            stop.set()
            await relay


async def test_the_relay_command_says_that_it_is_ready_and_ends_on_sigterm(house: Open) -> None:
    async with house() as it:
        env = {
            "CUELIGHT_DATABASE_URL": it.urls.database_url,
            "CUELIGHT_REDIS_URL": it.urls.redis_url,
            "CUELIGHT_REDIS_PREFIX": it.settings.redis_prefix,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", "relay"), stdout=asyncio.subprocess.PIPE, env=env
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready: relay\n"
        row = await until(lambda: arrived(it))
        assert await it.redis.hget(it.keys.epoch, "epoch") == row["epoch"]
        process.terminate()
        assert await process.wait() == 0


async def arrived(it: House) -> Any:
    return await it.pool.fetchrow("select * from transport where mark > 0")
