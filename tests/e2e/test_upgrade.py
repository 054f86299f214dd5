"""A rolling upgrade: this release and the one before share runs in flight, and the ledger serves both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from agent.adapters.embedded import Engines
from agent.envelope import Sealed, index, unseal
from agent.events import CATALOGUE, Event
from agent.wiring import cast, connected, model_book, searcher
from tests.contract.real import migrated_template
from tests.e2e.house import QUESTION, RIGHT, House, Open, until
from tests.engines import fresh_database
from workers.perform import Perform
from workers.serve import build

OLDER = Path(__file__).parents[1] / "data" / "release_0_1_0"
RECORDED = [orjson.loads(line) for line in (OLDER / "events.jsonl").read_text().splitlines()]
STATEMENTS = sorted((OLDER / "sql").glob("*.sql"))
IN_FLIGHT = {"passages.found": "generate", "answer.drafted": "validate"}
"""The route that takes each event of a run that is on its way."""


class OlderPassages(Event):
    """`passages.found` as the release before knows it: a newer version is none of its business."""

    type = "passages.found"
    version = 1


@asynccontextmanager
async def older_worker(it: House, route: str) -> AsyncIterator[None]:
    """A worker of the release before, on one route."""
    company = cast(it.settings)
    agents = {
        name: replace(bound, catalogue={**bound.catalogue, "passages.found": OlderPassages})
        for name, bound in company.agents.items()
    }
    async with connected(it.settings, it.urls.database_url, it.urls.redis_url) as engines:
        models, search, stop = model_book(it.settings), searcher(it.settings, engines.library), asyncio.Event()
        perform = Perform(models, search.search)
        worker = build(it.settings, replace(company, agents=agents), engines, perform, [route])
        working = asyncio.create_task(worker.run(stop))
        try:
            yield
        finally:
            stop.set()
            await working
            await models.close()
            search.close()


@pytest.mark.parametrize("line", RECORDED, ids=lambda line: f"{line['type']}-{line['version']}")
def test_every_event_that_the_release_before_wrote_can_be_read(line: dict[str, Any]) -> None:
    sealed = Sealed(line["type"], line["version"], orjson.dumps(line["data"]).decode())
    event = unseal(sealed, index(CATALOGUE))
    assert event.type == line["type"]
    written = orjson.loads(event.model_dump_json())
    assert line["data"].items() <= written.items(), "nothing that was written is lost"


@pytest.mark.parametrize("line", [it for it in RECORDED if it["type"] in IN_FLIGHT], ids=lambda it: it["type"])
async def test_a_run_that_the_release_before_left_on_its_way_is_brought_to_its_ending(
    house: Open, line: dict[str, Any]
) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        run = await until(it.published)
        found = next(it for it in RECORDED if it["type"] == "passages.found")
        await it.happened(run, "passages.found", found["version"], orjson.dumps(found["data"]).decode(), "generate")
        if line is not found:
            await it.happened(run, line["type"], line["version"], orjson.dumps(line["data"]).decode(), "validate", 3)
        async with it.worker():
            assert (await waiting).json()["status"] == "completed"


async def test_work_that_only_the_newer_worker_can_read_waits_for_it_and_uses_up_no_attempt(
    house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.outcome.PARK_S", 0.1)
    async with house({"answer": RIGHT}) as it, it.door() as http, older_worker(it, "generate"):
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        async with it.worker(["retrieve", "validate", "repair"]):

            async def parked() -> Any:
                return await it.pool.fetchval("select run_id from attempts where outcome = 'park' limit 1")

            run = await until(parked)
            async with it.worker(["generate"]):
                assert (await waiting).json()["status"] == "completed"
        assert {row["attempt"] for row in await it.attempts(run)} == {1}
        assert len(await it.calls(run)) == 1


async def test_every_statement_of_the_release_before_runs_on_this_releases_ledger(engines: Engines) -> None:
    refused: dict[str, str] = {}
    async with fresh_database(engines.urls, template=await migrated_template(engines.urls)) as url:
        connection = await asyncpg.connect(url)
        try:
            for path in STATEMENTS:
                try:
                    await connection.prepare(path.read_text())
                except asyncpg.PostgresError as error:
                    refused[path.stem] = str(error)
        finally:
            await connection.close()
    assert len(STATEMENTS) == 24
    assert refused == {}
