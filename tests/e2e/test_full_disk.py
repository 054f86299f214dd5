"""The disk below PostgreSQL is full: nothing is accepted that cannot be kept, and nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from agent.adapters.embedded import Engines, EngineUrls
from tests.chaos.servers import Ledger
from tests.disks import Disk, NoMount, disk_in_memory
from tests.e2e.house import House, opened, until

SIZE_BYTES = 256_000_000
THINKING_MS = 2_500
"""The model's: long enough for the disk to be full when it answers."""
WORDS = random.Random(1).randbytes(12_000).hex()
"""More than a page of a table holds, and nothing that can be compressed away."""
ANSWER = f"Well: {WORDS}"
ASKED = 6
REFUSED = 3


@pytest.fixture
async def full(engines: Engines, data_dir: Path, redis_prefix: str) -> AsyncIterator[tuple[House, Disk]]:
    """A house whose PostgreSQL has a disk of its own."""
    path = data_dir / "disk"
    path.mkdir()
    try:
        with disk_in_memory(path, SIZE_BYTES) as found:
            ledger = Ledger(path)
            ledger.start()
            assert await ledger.up()
            try:
                urls = EngineUrls(ledger.url, engines.urls.redis_url)
                lines = [{"answer": ANSWER, "delay_ms": THINKING_MS}]
                async with opened(urls, redis_prefix, lines, agent="tests.chaos.company:talk") as house:
                    yield house, found
            finally:
                await ledger.stop()
    except NoMount as error:
        pytest.skip(str(error))


@pytest.fixture
def said() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def ask(http: httpx.AsyncClient, words: str = "") -> httpx.Response:
    return await http.post("/v1/responses", json={"model": "talk", "input": f"Who is there? {words}"})


async def test_a_full_disk_refuses_what_is_new_and_pays_for_nothing_again(
    full: tuple[House, Disk], said: list[Any]
) -> None:
    house, below = full
    above, spill = below.path / "data", house.settings.data_dir / "spill"
    async with house.worker(slots=3), house.worker(slots=3, data_dir=above), house.door() as http:
        calls = [asyncio.create_task(ask(http)) for _ in range(ASKED)]
        await until(lambda: asked(house, ASKED))
        below.fill()
        refused = await refusals(http, calls)
        assert {(reply.status_code, reply.json()["error"]["code"]) for reply in refused} == {(503, "unavailable")}
        assert all(int(reply.headers["retry-after"]) > 0 for reply in refused)
        await until(lambda: held(said))
        below.free()
        replies = await asyncio.gather(*calls)
    assert {reply.status_code for reply in replies} == {200}
    told = {reply.json()["id"]: reply.json()["output"][0]["content"][0]["text"] for reply in replies}
    assert set(told.values()) == {ANSWER}
    assert {row["id"] for row in await house.pool.fetch("select id from runs")} == set(told)
    assert sorted(call["run"] for call in await house.model.log()) == sorted(told)
    assert {row["status"] for run in told for row in await house.calls(run)} == {"answered"}
    assert {line["spilled"] for line in unwritten(said)} == {True, False}, "one worker had no disk to spill to"
    assert await house.dead_letters() == [] and list(spill.iterdir()) == []


async def asked(house: House, times: int) -> bool:
    return len(await house.model.log()) >= times


async def refusals(http: httpx.AsyncClient, calls: list[asyncio.Task[httpx.Response]]) -> list[httpx.Response]:
    """Ask until the disk has no room for one more; what was accepted meanwhile joins `calls`."""
    found = list[httpx.Response]()
    while len(found) < REFUSED:
        call = asyncio.create_task(ask(http, WORDS))
        await asyncio.wait((call, *calls), timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        if call.done() and call.result().status_code != 200:
            found.append(call.result())
        else:
            calls.append(call)
    return found


async def held(said: list[Any]) -> bool:
    """Whether every answer has come and could not be written."""
    return len({line["run"] for line in unwritten(said)}) >= ASKED


def unwritten(said: list[Any]) -> list[Any]:
    return [line for line in said if line["event"] == "ledger_away"]
