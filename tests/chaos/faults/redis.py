"""Faults of Redis: it dies, forgets, goes back in time, loses its files or its disk, or holds what none of us wrote."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any, cast

from redis.exceptions import RedisError, ResponseError

from tests.chaos.faults.kind import Told, length
from tests.chaos.faults.processes import freeze
from tests.chaos.plan import Planned
from tests.chaos.stage import PREFIX, ROUTES, Stage


async def kill_redis(stage: Stage, planned: Planned) -> Told:
    async with stage.redis.lock:
        await stage.redis.kill()
        return {"up": await stage.redis.up()}


async def freeze_redis(stage: Stage, planned: Planned) -> Told:
    return await freeze(stage.redis, length(planned, 0.5, 6.0))


async def say(stage: Stage, *command: Any) -> Any:
    """A command past the proxy; None if the server does not take it now."""
    async with stage.redis.client() as client:
        with suppress(RedisError, OSError):
            return await cast(Any, client).execute_command(*command)
    return None


async def flushall(stage: Stage, planned: Planned) -> Told:
    async with stage.redis.lock:
        return {"answer": await say(stage, "FLUSHALL")}


def route(planned: Planned) -> str:
    return ROUTES[int(planned.rolls[0] * len(ROUTES))]


async def del_stream(stage: Stage, planned: Planned) -> Told:
    key = f"{PREFIX}:work:{{{route(planned)}}}"
    async with stage.redis.lock:
        return {"key": key, "answer": await say(stage, "DEL", key)}


async def xgroup_destroy(stage: Stage, planned: Planned) -> Told:
    key = f"{PREFIX}:work:{{{route(planned)}}}"
    async with stage.redis.lock:
        return {"key": key, "answer": await say(stage, "XGROUP", "DESTROY", key, route(planned))}


async def aof_truncate(stage: Stage, planned: Planned) -> Told:
    redis = stage.redis
    async with redis.lock:
        redis.held = True
        await redis.kill()
        cut = redis.truncate(int(7 + planned.rolls[2] * 20_000))
        redis.start()
        redis.held = False
        return {"cut_bytes": cut, "up": await redis.up()}


async def aof_damage(stage: Stage, planned: Planned) -> Told:
    """Broken in the middle: the server gives up on its files, and whoever runs it has it start without them."""
    redis = stage.redis
    async with redis.lock:
        redis.held = True
        await redis.kill()
        at = redis.damage()
        redis.start()
        if gave_up := await redis.gives_up():
            redis.put_aside()
            redis.start()
        redis.held = False
        return {"at_byte": at, "gave_up": gave_up, "up": await redis.up()}


async def aof_old(stage: Stage, planned: Planned) -> Told:
    redis = stage.redis
    async with redis.lock:
        aside = redis.copy_files()
        await asyncio.sleep(length(planned, 1.0, 5.0))
        redis.held = True
        await redis.kill()
        redis.take_back(aside)
        redis.start()
        redis.held = False
        return {"up": await redis.up()}


async def misconf(stage: Stage, planned: Planned) -> Told:
    redis = stage.redis
    async with redis.lock:
        redis.fill_disk()
        try:
            await asyncio.sleep(length(planned, 2.5, 5.0))
            return {"answer": await _refusal(stage)}
        finally:
            redis.free_disk()


async def _refusal(stage: Stage) -> str:
    async with stage.redis.client() as client:
        try:
            await client.set(f"{PREFIX}:nobody", "1")
        except ResponseError as error:
            return str(error)[:60]
        except (RedisError, OSError) as error:
            return type(error).__name__
    return "OK"


async def garbage(stage: Stage, planned: Planned) -> Told:
    """Into every stream that the service reads, something that it never wrote."""
    dice = random.Random(planned.rolls[2])
    keys = [f"{PREFIX}:work:{{{name}}}" for name in ROUTES]
    async with stage.redis.lock, stage.redis.client() as client:
        try:
            keys += [key.decode() async for key in client.scan_iter(match=f"{PREFIX}:reply:*")]
            marks = {key: f"garbage-{dice.randrange(10**9)}" for key in keys}
            entries = {key: await client.xadd(key, _rubbish(dice, mark)) for key, mark in marks.items()}
        except (RedisError, OSError) as error:
            return {"error": str(error)}
    return {"marks": {key: marks[key] for key in entries}}


def _rubbish(dice: random.Random, mark: str) -> dict[Any, Any]:
    alike = {"run": mark, "generation": "1", "seq": "1", "route": "generate", "attempt": "1"}
    return dice.choice(
        [
            {"what": mark},
            {**alike, "seq": "-7"},
            {**alike, "generation": "one"},
            {b"run": mark.encode() + b"\xff\x00\xfe"},
            {**alike, "route": "nowhere"},
            {"run": mark, "trace": "x" * 5_000},
        ]
    )
