"""PostgreSQL dies while a paid answer is on its way: the answer waits on disk, and is never paid again."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent.adapters.embedded import Engines
from agent.adapters.ledger.migrate import migrate
from agent.testing.fake_model import FakeModel, Line, Script, running
from tests.contract.real import RealStore
from tests.crash.stage import ANSWER, Stage, until

SLOW = Script((Line(answer=ANSWER, delay_ms=1_500),))
"""The answer comes after the database has died."""


@asynccontextmanager
async def on_stage(engines: Engines, model: FakeModel, home: Path) -> AsyncIterator[Stage]:
    async with RealStore.connected(engines.urls.database_url) as store:
        stage = Stage.of(store, (engines.urls.database_url, engines.urls.redis_url), model, home)
        stage.settings["redis_prefix"] = "away"
        try:
            yield stage
        finally:
            stage.strike()


async def test_an_answer_that_the_dead_database_could_not_take_is_settled_by_the_next_worker(
    data_dir: Path, tmp_path: Path
) -> None:
    async with running(SLOW) as model:
        with Engines(data_dir) as engines:
            await migrate(engines.urls.database_url)
            async with on_stage(engines, model, tmp_path) as stage:
                await stage.ingest(tmp_path)
                run = await stage.ask()
                stage.work()

                async def asked() -> bool:
                    return len(await model.log(run)) == 1

                await until(asked)
                os.kill(engines.pids["PostgreSQL"], signal.SIGKILL)

                async def spilled() -> bool:
                    return bool(list((tmp_path / "spill").glob("*.json")))

                await until(spilled)
        with Engines(data_dir) as engines:
            async with on_stage(engines, model, tmp_path) as stage:
                stage.work()
                await stage.end(run)
                story = await stage.story(run)
                assert (story.view.status, len(story.paid)) == ("completed", 1)
                assert [call.status for call in story.calls] == ["answered"]

                async def adopted() -> bool:
                    return not list((tmp_path / "spill").iterdir())

                await until(adopted)
