"""What can become of a Redis, done to a real one that the workers of a stage work with."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP
from typing import Any

from redis.exceptions import RedisError

from tests.chaos.servers import Valkey
from tests.crash.stage import Stage, until

ROUTES = ("retrieve", "generate", "validate", "repair")
MARKS = 4
"""So many marks are certainly more than a restart forgives."""


@dataclass(slots=True)
class Scene:
    """Workers, their model and their Redis."""

    stage: Stage
    redis: Valkey

    @property
    def prefix(self) -> str:
        return str(self.stage.settings["redis_prefix"])

    def key(self, route: str) -> str:
        return f"{self.prefix}:work:{{{route}}}"

    async def transport(self) -> Any:
        return await self.stage.store.pool.fetchrow("select * from transport")

    async def marked(self, more: int) -> None:
        """Wait until both sides have agreed `more` times from now on, within one epoch."""
        start = await self.transport()

        async def grown() -> bool:
            now = await self.transport()
            there = now["epoch"] != "" and (now["epoch"] != start["epoch"] or now["mark"] >= start["mark"] + more)
            return bool(there)

        await until(grown)

    async def empty(self) -> bool:
        """Whether no stream holds an entry."""
        return not any([await self.say("XLEN", self.key(route)) for route in ROUTES])

    async def say(self, *command: Any) -> Any:
        async with self.redis.client() as client:
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis has no type for it

    async def start(self) -> None:
        self.redis.start()
        assert await self.redis.up(), "the server starts on what is left of its files"


async def flushall(scene: Scene) -> None:
    await scene.say("FLUSHALL")


async def delete_streams(scene: Scene) -> None:
    for route in ROUTES:
        await scene.say("DEL", scene.key(route))


async def destroy_groups(scene: Scene) -> None:
    for route in ROUTES:
        with suppress(RedisError):  # no worker came to make it again since the last fault
            await scene.say("XGROUP", "DESTROY", scene.key(route), route)


async def evict(scene: Scene) -> None:
    """As a server does whose memory is full and which may evict: every key of ours goes."""
    await scene.say("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "1")
    for _ in range(100):
        with suppress(RedisError):
            await scene.say("SET", "one", "more")
    assert await scene.say("DBSIZE") == 0
    await scene.say("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "0")


async def kill(scene: Scene) -> None:
    await scene.redis.kill()
    await scene.start()


async def cut_file(scene: Scene) -> None:
    await scene.marked(MARKS)
    size = scene.redis.tail().stat().st_size
    await scene.marked(MARKS)
    await scene.redis.kill()
    os.truncate(scene.redis.tail(), size - 7)
    await scene.start()


async def broken_file(scene: Scene) -> None:
    """The server gives up on it, and whoever runs the server has it start without."""
    await scene.redis.kill()
    assert scene.redis.damage() > 0
    scene.redis.start()
    assert await scene.redis.gives_up()
    scene.redis.put_aside()
    await scene.start()


async def old_copy(scene: Scene) -> None:
    await scene.marked(MARKS)
    aside = scene.redis.copy_files()
    await scene.marked(MARKS)
    await scene.redis.kill()
    scene.redis.take_back(aside)
    await scene.start()


async def freeze(scene: Scene) -> None:
    """For longer than a lease and than the clients' patience."""
    with suppress(ProcessLookupError):
        os.kill(scene.redis.pid, SIGSTOP)
        await _longer_than_any_patience(scene)
        os.kill(scene.redis.pid, SIGCONT)
    assert await scene.redis.up()


async def _longer_than_any_patience(scene: Scene) -> None:
    """Workers give up on an answer after five seconds; the look after ours says that at least one has."""
    client = scene.redis.client()
    for _ in range(6):
        with suppress(RedisError, OSError):
            await client.ping()
    await client.aclose()


async def full_disk(scene: Scene) -> None:
    scene.redis.fill_disk()

    async def refused() -> bool:
        try:
            await scene.say("SET", "one", "more")
        except RedisError as error:
            return "MISCONF" in str(error)
        return False

    await until(refused)
    await asyncio.gather(*(scene.stage.ask() for _ in range(2)))
    scene.redis.free_disk()

    async def taken() -> bool:
        return not await refused()

    await until(taken)


Fault = Callable[[Scene], Coroutine[Any, Any, None]]

FAULTS: dict[str, tuple[Fault, dict[str, int]]] = {
    "FLUSHALL": (flushall, {"losses": 1}),
    "DEL of every stream": (delete_streams, {"regroups": 1}),
    "XGROUP DESTROY": (destroy_groups, {"regroups": 1}),
    "eviction of every key": (evict, {"losses": 1}),
    "kill -9 and a restart": (kill, {"restarts": 1}),
    "a file that was cut short": (cut_file, {"losses": 1, "rewinds": 1}),
    "an empty start beside a file that was broken in its middle": (broken_file, {"losses": 1}),
    "an old copy of the file": (old_copy, {"losses": 1, "rewinds": 1}),
    "a frozen server": (freeze, {}),
    "a full disk": (full_disk, {}),
}
"""Each with what the ledger must have counted afterwards."""
