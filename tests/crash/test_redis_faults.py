"""Redis loses, freezes and comes back while real workers work: none of them is restarted, and nothing is lost."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.adapters.embedded import Engines, binaries
from agent.testing.fake_model import Line, Script, running
from tests.chaos.servers import Valkey
from tests.contract.real import RealStore, migrated_template
from tests.crash.redis_faults import FAULTS, Scene
from tests.crash.stage import ANSWER, Stage, until
from tests.crash.test_worker_crash import CHAIN
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
        assert (story.view.status, story.events) == ("completed", CHAIN)
        assert len(story.calls) == len(story.paid), "every call that was paid is on record"
    counted = await scene.transport()
    assert {count: counted[count] >= least for count, least in expected.items()} == dict.fromkeys(expected, True)
    assert [worker.pid for worker in workers if worker.is_alive()] == [worker.pid for worker in workers]


async def test_runs_of_an_older_backup_end_below_a_newer_redis_and_entries_that_it_does_not_know_are_dropped(
    engines: Engines, scene: Scene
) -> None:
    stage = scene.stage
    worker = stage.work(["retrieve"])
    old = [await stage.ask() for _ in range(6)]
    await scene.marked(2)
    await stage.reach(2, *old)
    worker.kill()
    worker.join()
    async with fresh_database(engines.urls) as backup, RealStore.connected(backup) as store:
        back_up(stage.urls[0], backup)
        worker = stage.work(["retrieve", "generate"])
        new = [await stage.ask() for _ in range(6)]
        await stage.reach(3, *old, *new)
        await scene.marked(2)
        worker.kill()
        worker.join()
        restored = Scene(replace(stage, store=store, urls=(backup, stage.urls[1])), scene.redis)
        restored.stage.work()
        await restored.stage.end(*old)
        for run in old:
            story = await restored.stage.story(run)
            assert (story.view.status, story.events) == ("completed", CHAIN)
        assert (await restored.transport())["restores"] == 1
        await until(restored.empty)
        stage.strike()


def back_up(source: str, target: str) -> None:
    """As an operator would, into an empty database."""
    dump = subprocess.run([binaries.postgres("pg_dump"), source], check=True, capture_output=True)
    restore = [str(binaries.postgres("psql")), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", target]
    subprocess.run(restore, input=dump.stdout, check=True, capture_output=True)
