"""Engines that are away when a process starts, or go away in the middle of something."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from redis.asyncio import Redis

from agent import wiring
from agent.adapters.embedded import Engines
from agent.adapters.ledger.connect import connect_hot
from agent.adapters.ledger.migrate import migrate
from agent.adapters.streams.client import connect
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.redis import RedisStreams
from agent.errors import Misconfigured, Transient
from agent.settings import Settings
from agent.wiring import connected


@pytest.fixture
def said() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def start(database_url: str, redis_url: str, home: Path, wait_s: float) -> None:
    settings = Settings(data_dir=home, start_wait_s=wait_s)
    async with connected(settings, database_url, redis_url):
        pass


async def test_an_engine_that_comes_a_little_later_is_waited_for(
    engines: Engines, database_url: str, tmp_path: Path, said: list[Any]
) -> None:
    await migrate(database_url)
    door = tmp_path / "later.sock"
    starting = asyncio.create_task(start(database_url, f"unix://{door}", tmp_path, 600))
    async with asyncio.timeout(60):
        while not any(line["event"] == "engine_awaited" for line in said):  # noqa: ASYNC110  # a log rings no bell
            await asyncio.sleep(0.01)
    assert not starting.done()
    door.symlink_to(engines.urls.redis_url.removeprefix("unix://").split("?")[0])
    await starting


async def test_a_ledger_that_goes_away_again_while_a_process_starts_is_waited_for_too(
    database_url: str, redis_url: str, tmp_path: Path, said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(database_url)
    fill, failures = connect_hot, [TimeoutError(), asyncpg.ConnectionDoesNotExistError("closed in the middle")]

    async def late(url: str) -> Any:
        if failures:
            raise failures.pop()
        return await fill(url)

    monkeypatch.setattr(wiring, "connect_hot", late)
    await start(database_url, redis_url, tmp_path, 600)
    assert [line["event"] for line in said].count("engine_awaited") == 2


async def test_an_engine_that_never_comes_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"database at .* cannot be reached"):
        await start(f"postgresql://u@/d?host={tmp_path}", "redis://127.0.0.1:1", tmp_path, 0)


async def test_what_waiting_cannot_mend_is_not_waited_for(engines: Engines, tmp_path: Path) -> None:
    wrong = engines.urls.database_url.replace("/cuelight?", "/nowhere?")
    with pytest.raises(Misconfigured, match="does not exist"):
        await start(wrong, engines.urls.redis_url, tmp_path, 10_000)


async def test_a_batch_of_the_feed_is_written_whole_or_not_at_all(redis_url: str) -> None:
    client = connect(redis_url)
    try:
        streams = RedisStreams(client, Keys("whole"), "me")
        await client.config_resetstat()
        await streams.feed([{"id": "1"}, {"id": "2"}], 0)
        assert await client.xlen(Keys("whole").feed) == 2
        done = await client.info("commandstats")
        assert done["cmdstat_exec"]["calls"] == 1, "a full disk may refuse the transaction, and no part of it"
    finally:
        await client.aclose()


async def test_a_reader_is_told_of_a_reset_connection_as_of_any_other_loss(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reset(self: Redis, *_: Any, **__: Any) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    client = connect(redis_url)
    try:
        reader = RedisStreams(client, Keys("reset"), "me").reader("generate")
        await reader.join()
        monkeypatch.setattr(Redis, "execute_command", reset)
        with pytest.raises(Transient):
            await reader.new(1)
    finally:
        monkeypatch.undo()
        await client.aclose()
