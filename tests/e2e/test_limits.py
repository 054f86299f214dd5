"""What bounds a run: cancelling, deadlines, and times to wait that outlive whoever was told them."""

from __future__ import annotations

import asyncio

from tests.e2e.house import QUESTION, RIGHT, House, Open, until


async def asked(it: House) -> str | None:
    """The run whose model call is under way."""
    row = await it.pool.fetchrow("select run_id from calls where effect_type = 'call_model' and status = 'asked'")
    return None if row is None or not (await it.model.counts())["calls"] else str(row["run_id"])


async def test_a_call_that_is_under_way_when_its_run_is_cancelled_is_broken_off_and_none_follows(house: Open) -> None:
    async with house({"fault": "hang", "answer": RIGHT}) as it, it.worker(), it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        run = await until(lambda: asked(it))
        assert (await http.post(f"/v1/responses/{run}/cancel")).json()["status"] == "cancelled"
        assert (await waiting).json()["status"] == "cancelled"

        async def broken_off() -> bool:
            return (await it.attempts(run))[-1]["ended_at"] is not None

        await until(broken_off)
        last = (await it.attempts(run))[-1]
        assert (last["settled"], last["error_kind"]) == (False, "gone")
        assert [call["status"] for call in await it.calls(run)] == ["unknown"]
        assert (await it.model.counts())["calls"] == 1
        assert await it.story(run) == ["request.received", "passages.found", "run.cancelled"]
        assert await it.dead_letters() == []


async def test_a_client_that_hangs_up_on_what_is_not_stored_ends_its_run(house: Open) -> None:
    async with house({"fault": "hang", "answer": RIGHT}) as it, it.worker(), it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION | {"store": False}))
        run = await until(lambda: asked(it))
        waiting.cancel()

        async def cancelled() -> bool:
            return bool(await it.pool.fetchval("select cancelled_by = 'disconnect' from runs where id = $1", run))

        await until(cancelled)
        assert (await it.model.counts())["calls"] == 1


async def test_a_time_to_wait_is_obeyed_though_worker_and_redis_forgot_it(house: Open) -> None:
    slow_down = {"fault": {"kind": "rate_limited", "retry_after": 2}, "times": 2}
    async with house(slow_down, {"answer": RIGHT}) as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))

        async def postponed() -> bool:
            return bool(await it.pool.fetchval("select due_at > clock_timestamp() + interval '1 s' from work"))

        async with it.worker():
            await until(postponed)
        await it.redis.flushall()
        async with it.worker():
            body = (await waiting).json()
        assert body["status"] == "completed"
        first, second = (row for row in await it.attempts(body["id"]) if row["route"] == "generate")
        assert (second["began_at"] - first["ended_at"]).total_seconds() >= 2.0
