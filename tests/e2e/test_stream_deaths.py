"""Streams while workers and API processes are killed and connections break: the bytes are always the same."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from tests import spec
from tests.e2e.house import QUESTION, RIGHT, WRONG, House, Open, until
from tests.e2e.test_api_deaths import Api, api

RUNS = 10
KILLS = 2
SCRIPT = ({"attempt": 1, "answer": WRONG, "delay_ms": 250}, {"answer": RIGHT, "delay_ms": 250})


@asynccontextmanager
async def worker(it: House) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker's process that works, for as long as the block lasts or until it is killed."""
    env = {
        "CUELIGHT_DATABASE_URL": it.urls.database_url,
        "CUELIGHT_REDIS_URL": it.urls.redis_url,
        "CUELIGHT_REDIS_PREFIX": it.settings.redis_prefix,
        "CUELIGHT_MODEL_BASE_URL": it.settings.model_base_url or "",
        "CUELIGHT_MODELS": ",".join(it.settings.models),
        "CUELIGHT_DATA_DIR": str(it.settings.data_dir),
        "CUELIGHT_LEASE_S": "0.5",
        "CUELIGHT_SWEEP_S": "0.1",
        "CUELIGHT_LOG_LEVEL": "error",
    }
    command = (sys.executable, "-m", "cli.main", "worker")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).startswith(b"ready: ")
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@dataclass
class Reader:
    """A client whose connection breaks after every few frames, and that goes on at another replica."""

    http: httpx.AsyncClient
    apis: list[Api]
    chance: random.Random
    body: dict[str, Any]
    key: str
    run: str = ""
    got: bytes = b""
    breaks: int = 0

    async def read(self) -> bytes:
        """All frames of the stream, each once, over as many connections as it takes."""
        while not self.got.endswith(spec.DONE):
            try:
                await self._for_a_while()
            except httpx.TransportError:  # an API that was killed cuts its streams off, and then is not there
                self.breaks += 1
                await asyncio.sleep(0.01)
        return self.got

    async def _for_a_while(self) -> None:
        url = f"{self.chance.choice(self.apis).url}/v1/responses"
        frames = self.chance.randint(1, 4)
        if not self.run:
            request = self.http.stream("POST", url, json=self.body, headers={"Idempotency-Key": self.key})
        else:
            after = self.got.count(b"\n\n") - 1
            request = self.http.stream("GET", f"{url}/{self.run}", params={"stream": "true", "starting_after": after})
        async with request as reply:
            assert reply.status_code == 200, await reply.aread()
            async for frame in _frames(reply):
                self._take(frame)
                frames -= 1
                if frames == 0:
                    self.breaks += 1
                    return

    def _take(self, frame: bytes) -> None:
        self.got += frame
        if not self.run:
            self.run = frame.partition(b'"id":"')[2].partition(b'"')[0].decode()


async def _frames(reply: httpx.Response) -> AsyncIterator[bytes]:
    held = b""
    async for piece in reply.aiter_raw():
        *whole, held = (held + piece).split(b"\n\n")
        for frame in whole:
            if not frame.startswith(b":"):
                yield frame + b"\n\n"


@pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("STREAM_SEEDS", "7").split(",")])
async def test_streams_are_the_same_whatever_dies_and_wherever_they_are_read(house: Open, seed: int) -> None:
    async with house(*SCRIPT) as it, AsyncExitStack() as stack:
        apis = await asyncio.gather(*(stack.enter_async_context(api(it)) for _ in "123"))
        workers = await asyncio.gather(*(stack.enter_async_context(worker(it)) for _ in range(KILLS)))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False))
        readers = [Reader(http, apis, random.Random(f"{seed}{n}"), _body(n), f"{n}") for n in range(RUNS)]
        reading = asyncio.gather(*(reader.read() for reader in readers))
        for victim in workers:
            await until(partial(_caught, it, victim))
            victim.send_signal(signal.SIGKILL)
            more = asyncio.create_task(stack.enter_async_context(worker(it)))
            if victim is workers[0]:
                await apis.pop().kill()
        await more
        got = await reading
        for reader, sent in zip(readers, got, strict=True):
            told = spec.check_stream(sent)
            assert told[-1]["type"] == "response.completed", told[-1]["response"]["error"]
            for replica in apis:
                read = await http.get(f"{replica.url}/v1/responses/{reader.run}?stream=true")
                assert read.content == sent
        assert sum(reader.breaks for reader in readers) > RUNS
        assert await it.pool.fetchval("select count(*) from attempts where delivery > 1")
        assert await it.pool.fetchval("select count(*) from runs") == RUNS


async def _caught(it: House, victim: asyncio.subprocess.Process) -> bool:
    """Whether this worker stands still while it waits for a model; or else there is nothing left to wait for."""
    if not await _busy(it, victim):
        return False
    victim.send_signal(signal.SIGSTOP)
    if await _busy(it, victim):
        return True
    victim.send_signal(signal.SIGCONT)
    return False


async def _busy(it: House, victim: asyncio.subprocess.Process) -> bool:
    mine = "select 1 from attempts where ended_at is null and route = 'generate' and split_part(worker, ':', 2) = $1"
    left = "select count(*) filter (where ended_at is null) from runs having count(*) = $1"
    working = await it.pool.fetchval(mine, str(victim.pid))
    return bool(working) or await it.pool.fetchval(left, RUNS) == 0


def _body(n: int) -> dict[str, Any]:
    include = {"include": ["cuelight.progress"]} if n % 3 else {}
    return {**QUESTION, **include, "stream": True, "background": n % 2 == 0}


async def test_a_process_that_stops_cuts_its_streams_off_and_no_client_takes_that_for_the_end(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as there, AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False))
        leaving = AsyncExitStack()
        here = await leaving.enter_async_context(it.door(drain_s=0.1))
        async with http.stream("POST", f"{here.base_url}/v1/responses", json=_body(0)) as reply:
            frames = _frames(reply)
            got = await anext(frames) + await anext(frames)
            stopping = asyncio.create_task(leaving.aclose())
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(frames)
        await stopping
        told = spec.check_stream(got, whole=False)
        async with it.worker():
            rest = await there.get(f"/v1/responses/{told[0]['response']['id']}?stream=true&starting_after=1")
        assert spec.check_stream(got + rest.content)[-1]["type"] == "response.completed"
