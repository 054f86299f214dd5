"""Engines of a test's own: what is settled while they are away, and what outlives that everything was stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import psutil

from agent.adapters.embedded import Engines
from agent.adapters.ledger.migrate import migrate
from agent.approvals import Decided, Decision
from agent.testing.fake_model import FakeModel, Line, Script, running
from agent.testing.fake_model.script import ScriptedFunction, ScriptedToolCall
from tests.contract.real import RealStore
from tests.crash import toys
from tests.crash.stage import Stage, until
from tests.kin import alive


@asynccontextmanager
async def on_stage(
    engines: Engines, model: FakeModel, home: Path, agents: tuple[str, ...] = ("agent.agents:documents",)
) -> AsyncIterator[Stage]:
    async with RealStore.connected(engines.urls.database_url) as store:
        stage = Stage.of(store, (engines.urls.database_url, engines.urls.redis_url), model, home)
        stage.settings |= {"redis_prefix": "away", "agent": agents}
        try:
            yield stage
        finally:
            stage.strike()


async def test_an_answer_that_the_dead_database_could_not_take_is_settled_by_the_next_worker(
    data_dir: Path, tmp_path: Path
) -> None:
    async with running(Script()) as model:
        with Engines(data_dir) as engines:
            await migrate(engines.urls.database_url)
            async with on_stage(engines, model, tmp_path) as stage:
                await stage.ingest(tmp_path)
                await stage.holds(2)
                run = await stage.ask()
                stage.work()
                await stage.asked(run)
                await kill(engines.pids["PostgreSQL"])
                await stage.one_more_call()  # and the answer comes

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


async def test_an_approval_that_is_given_after_everything_was_stopped_and_started_continues_the_run(
    data_dir: Path, tmp_path: Path
) -> None:
    """The flight is booked before; the hotel may be booked, by its own rule, by another process only."""
    log, agents = str(tmp_path / "bookings"), ("tests.crash.toys:spending",)
    script = Script((_calls("book", "flight", log, 1), _calls("book_and_pay", "hotel", log, 2), Line(answer="Booked.")))
    async with running(script) as model:
        with Engines(data_dir) as engines:
            await migrate(engines.urls.database_url)
            async with on_stage(engines, model, tmp_path, agents) as stage:
                run, worker = await stage.ask(), stage.work()

                async def waits() -> bool:
                    return [it.run for it in await stage.store.approvals.waiting(None)] == [run]

                await until(waits)
                await stage.retire(worker)
        with Engines(data_dir) as engines:
            async with on_stage(engines, model, tmp_path, agents) as stage:
                (waiting,) = await stage.store.approvals.waiting("default")
                assert [call.name for call in waiting.calls] == ["book_and_pay"]
                assert await stage.store.approvals.decide(run, "default", Decision(True, "ann")) is Decided.DONE
                stage.work()
                await stage.end(run)
                story = await stage.story(run)
        assert [what for _, _, what in toys.booked(log)] == ["flight", "hotel"], "and the flight is not booked again"
        assert story.view.ending is not None and "Booked." in story.view.ending.data
        assert len(story.paid) == 3, "nor is the model asked again for what it said before"


async def kill(pid: int) -> None:
    """A process and all of its children; wait until none of them runs."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    os.kill(pid, signal.SIGKILL)

    async def gone() -> bool:
        return not any(map(alive, family))

    await until(gone)


def _calls(tool: str, what: str, log: str, attempt: int) -> Line:
    arguments = orjson.dumps({"what": what, "log": log}).decode()
    call = ScriptedToolCall(function=ScriptedFunction(name=tool, arguments=arguments))
    return Line(attempt=attempt, tool_calls=(call,))
