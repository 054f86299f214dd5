"""The engines are killed in the middle of the work; what the ledger then holds is all of a write, or nothing of it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from redis.asyncio import Redis

from agent.adapters.embedded import Engines
from agent.adapters.ledger.connect import Pool, connect, connect_hot
from agent.adapters.ledger.migrate import migrate
from agent.adapters.ledger.postgres import PostgresLedger
from agent.errors import Transient
from agent.ports import Delivery
from tests.contract.toys import advance, finish, new_run
from tests.crash.stage import Stage, until

INVARIANTS = {
    "an open run has one work row": "select id from runs where ended_at is null and id not in "
    "(select run_id from work)",
    "an ended run has none": "select r.id from runs r join work w on w.run_id = r.id where r.ended_at is not null",
    "a run has its first event": "select id from runs r where not exists (select from events e where e.run_id = r.id)",
    "events have no gap": "select run_id from events group by run_id having max(seq) <> count(*)",
    "the work row stands at the newest event": "select w.run_id from work w where w.seq <> "
    "(select max(e.seq) from events e where e.run_id = w.run_id)",
    "an ended run has one ending, its newest event": "select r.id from runs r where ended_at is not null and "
    "r.ending_type <> (select e.type from events e where e.run_id = r.id order by seq desc limit 1)",
}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[Pool, Pool]]:
    pool, hot = await connect(url), await connect_hot(url)
    try:
        yield pool, hot
    finally:
        pool.terminate()
        hot.terminate()


async def test_a_database_killed_in_the_middle_of_group_commits_keeps_each_write_whole(data_dir: Path) -> None:
    told: set[str] = set()
    with Engines(data_dir) as engines:
        await migrate(engines.urls.database_url)
        async with connected(engines.urls.database_url) as (pool, hot):
            ledger = PostgresLedger(pool, hot)
            lanes = [asyncio.create_task(_keep_working(ledger, told)) for _ in range(16)]

            async def enough() -> bool:
                return len(told) > 100

            await until(enough)
            os.kill(engines.pids["PostgreSQL"], signal.SIGKILL)
            await asyncio.gather(*lanes)
    with Engines(data_dir) as engines:
        async with connected(engines.urls.database_url) as (pool, _):
            broken = {name: await pool.fetch(query) for name, query in INVARIANTS.items()}
            assert {name: rows for name, rows in broken.items() if rows} == {}
            kept = {row["id"] for row in await pool.fetch("select id from runs where ended_at is not null")}
            assert told <= kept, "whatever was acknowledged is there after the crash"


async def _keep_working(ledger: PostgresLedger, told: set[str]) -> None:
    """Take run after run from its opening to its ending, until the ledger is away."""
    try:
        while True:
            new = new_run(f"resp_{uuid4().hex}")
            await ledger.open(new)
            begun = await ledger.begin(Delivery(new.pointer))
            assert begun is not None
            assert await ledger.commit(begun, advance(1, "second"))
            begun = await ledger.begin(Delivery(replace(new.pointer, seq=2, route="second")))
            assert begun is not None and await ledger.commit(begun, finish())
            told.add(new.id)
    except Transient:
        return


async def test_runs_end_although_redis_forgot_everything(stage: Stage) -> None:
    runs = [await stage.ask() for _ in range(5)]
    stage.work(["retrieve"])

    async def searched() -> bool:
        return {len((await stage.story(run)).events) for run in runs} == {2}

    await until(searched)
    async with Redis.from_url(stage.urls[1]) as client:
        await client.flushall()
    stage.work()
    await stage.end(*runs)
    for run in runs:
        story = await stage.story(run)
        hops = [it for it in story.events if it[1] != "verdict.given"]
        assert (story.view.status, len(hops), len(story.paid)) == ("completed", 4, 1)
