"""`/readyz` while work waits: whose fault it is, and when it is nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from agent.adapters.ledger.looking import LedgerLook
from agent.adapters.ledger.pauses import PostgresPauses
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.queries import sql
from agent.ports import Delivery, Pointer
from tests.e2e.house import QUESTION, RIGHT, House, Open, until

LATE = "update work set due_at = due_at - interval '1 minute'"
WITHIN_S = 15.0


async def readiness(http: httpx.AsyncClient) -> tuple[int, Any]:
    reply = await http.get("/readyz")
    return reply.status_code, reply.json()


@asynccontextmanager
async def waiting(it: House, http: httpx.AsyncClient) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """A request whose work has stood in its stream for a minute and was never begun."""
    asking = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
    try:
        await until(it.published)
        await it.pool.execute(LATE)
        yield asking
    finally:
        asking.cancel()


async def test_a_door_is_not_ready_while_work_waits_and_none_is_taken_and_is_again_when_a_worker_comes(
    house: Open,
) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        assert (await readiness(http))[0] == 200
        async with waiting(it, http) as asking:
            status, body = await readiness(http)
            assert (status, body["checks"]["work"], body["checks"]["ledger"]) == (503, "stalled", "ok")
            assert "retrieve" in body["error"]["message"]
            assert (await http.get("/healthz")).status_code == 200
            async with it.worker():
                assert (await asking).json()["status"] == "completed"
            assert (await readiness(http))[0] == 200


async def test_a_route_that_an_operator_paused_is_named_and_not_held_against_the_door(house: Open) -> None:
    async with house() as it:
        pauses = PostgresPauses(it.pool)
        await pauses.pause("route:retrieve", "", "ann")
        async with it.door() as http, waiting(it, http):
            status, body = await readiness(http)
            assert (status, body["paused"]) == (200, ["route:retrieve"])
            await pauses.resume("route:retrieve", "ann")
            assert (await readiness(http))[0] == 200, "its workers get a while to come back"
            await it.pool.execute("update audit set at = at - interval '1 minute'")
            assert (await readiness(http))[0] == 503


@pytest.fixture
async def stale(house: Open) -> AsyncIterator[tuple[House, LedgerLook]]:
    """A run whose work was begun long ago by `w1` and has not come back since."""
    async with house() as it, it.door() as http, waiting(it, http):
        run = await it.published()
        assert run is not None
        ledger = PostgresLedger(it.pool)
        entry = await it.pool.fetchval("select entry from work")
        assert await ledger.begin(Delivery(Pointer(run, 1, 1, "retrieve", 1), entry, "w1"))
        await it.pool.execute("update attempts set began_at = began_at - interval '1 minute'")
        yield it, LedgerLook(it.pool)


async def test_work_that_a_living_worker_has_been_at_for_long_does_not_wait(stale: tuple[House, LedgerLook]) -> None:
    it, look = stale
    await it.pool.execute("insert into instances (id, kind, release) values ('w1', 'worker', '1')")
    assert await look.stalled(WITHIN_S) == []


async def test_work_of_a_worker_that_died_waits_for_another(stale: tuple[House, LedgerLook]) -> None:
    it, look = stale
    await it.pool.execute(
        "insert into instances (id, kind, release, seen_at) values ('w1', 'worker', '1', now() - interval '1 minute')"
    )
    (stall,) = await look.stalled(WITHIN_S)
    assert (stall.route, stall.count) == ("retrieve", 1)


async def test_a_backlog_that_is_worked_off_slowly_is_no_stall(stale: tuple[House, LedgerLook]) -> None:
    it, look = stale
    await it.pool.execute("update work set deliveries = 0")
    await it.pool.execute("delete from attempts")
    assert len(await look.stalled(WITHIN_S)) == 1
    await it.pool.execute(
        "insert into attempts (token, run_id, generation, seq, route, attempt, delivery) "
        "values ('t', 'resp_other', 1, 1, 'retrieve', 1, 1)"
    )
    assert await look.stalled(WITHIN_S) == []


async def test_the_attempts_of_the_last_seconds_are_found_without_reading_the_whole_table(house: Open) -> None:
    async with house() as it:
        await it.pool.execute(
            "insert into attempts (token, run_id, generation, seq, route, attempt, delivery, began_at) "
            "select n::text, 'resp_' || n, 1, 1, 'retrieve', 1, 1, now() - make_interval(secs => 200000 - n) "
            "from generate_series(1, 100000) n"
        )
        await it.pool.execute("vacuum analyze attempts")
        async with it.pool.acquire() as connection:
            await connection.execute(f"prepare stalled (int, float8, float8) as {sql('stalled')}")
            plan = await connection.fetch("explain execute stalled (5, 15, 10)")
        told = "\n".join(row[0] for row in plan)
        assert "attempts_by_time" in told and "Seq Scan on attempts" not in told
