"""Redis loses, freezes and comes back while real workers work: none of them is restarted, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.adapters.embedded import Engines
from agent.testing.fake_model import Line, Script, running
from tests.chaos.servers import Valkey
from tests.contract.real import RealStore, migrated_template
from tests.crash.redis_faults import FAULTS, Scene
from tests.crash.stage import ANSWER, Stage
from tests.engines import fresh_database

SLOW = Script((Line(answer=ANSWER, delay_ms=150),))


@pytest.fixture
async def scene(engines: Engines, data_dir: Path) -> AsyncIterator[Scene]:
    """A library with one document, a Redis that may be broken, and no worker yet."""
    template = await migrated_template(engines.urls)
    redis = Valkey(data_dir)
    redis.start()
    async with (
        fresh_database(engines.urls, template=template) as url,
        RealStore.connected(url) as store,
        running(SLOW) as model,
    ):
        stage = Stage.of(store, (url, f"unix://{redis.socket}"), model, data_dir)
        stage.settings["look_s"] = 3_600.0  # what is lost is found by the marks, not by looking for everything always
        await stage.ingest(data_dir)
        assert await redis.up()
        try:
            yield Scene(stage, redis)
        finally:
            stage.strike()
            await redis.kill()


@pytest.mark.parametrize("name", FAULTS)
async def test_every_run_ends_once_whatever_becomes_of_redis(scene: Scene, name: str) -> None:
    fault, expected = FAULTS[name]
    stage = scene.stage
    workers = [stage.work(), stage.work()]
    runs = [await stage.ask() for _ in range(4)]
    await scene.marked(2)
    runs += [await stage.ask() for _ in range(8)]
    striking = asyncio.create_task(fault(scene))
    runs += [await stage.ask() for _ in range(8)]
    await striking
    runs += [await stage.ask() for _ in range(4)]
    await stage.end(*runs)
    for run in runs:
        await stage.settled(run)
        story = await stage.story(run)
        assert (story.view.status, [seq for seq, _ in story.events]) == ("completed", [1, 2, 3, 4])
        assert len(story.calls) == len(story.paid), "every call that was paid is on record"
    counted = await scene.transport()
    assert {count: counted[count] >= least for count, least in expected.items()} == dict.fromkeys(expected, True)
    assert [worker.pid for worker in workers if worker.is_alive()] == [worker.pid for worker in workers]
