"""Models on hold, as the whole house lives with them."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from agent.adapters.streams.pacing import RedisPacer
from agent.failures import INVALID
from agent.pacing import Came, Target, Turn, Wanted
from tests.e2e.house import QUESTION, RIGHT, WRONG, House, Open, until

MODEL = Target("default", "m1")
RUNS = 4


async def hold(it: House, pacer: RedisPacer) -> None:
    """As another worker does that was told to wait for ten minutes."""

    async def listens() -> bool:
        return bool((await it.redis.pubsub_numsub(it.keys.holds))[0][1])

    await until(listens)
    turn = await pacer.reserve(Wanted(MODEL, "chat", "elsewhere"))
    assert isinstance(turn, Turn)
    await pacer.settle(turn, Came("rate_limited", wait_s=600))


async def test_while_all_models_of_a_route_are_on_hold_nobody_reads_it(
    house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.pacing.KNOCK_S", 600.0)
    monkeypatch.setattr("workers.pacing.ASK_AGAIN_S", 0.1)
    async with house({"answer": RIGHT}, models="m1") as it, it.worker(), it.door() as http:
        pacer = RedisPacer(it.redis, it.keys)

        async def reads() -> bool:
            """Every route: one that is on hold when it is first looked at is read once, to be sure."""
            return sum("b" in client["flags"] for client in await it.redis.client_list()) >= 4

        await until(reads)
        with structlog.testing.capture_logs() as logs:
            await hold(it, pacer)

            async def known() -> bool:
                return any(line["event"] == "model_held" for line in logs)

            await until(known)
        await it.wake_readers()
        asked = [asyncio.create_task(http.post("/v1/responses", json=QUESTION)) for _ in range(RUNS)]

        async def waiting() -> bool:
            statement = "select count(*) = $1 from work where route = 'generate' and entry is not null"
            return bool(await it.pool.fetchval(statement, RUNS))

        await until(waiting)
        assert (await it.model.counts())["calls"] == 0
        await pacer.resume(MODEL)
        assert {(await answer).json()["status"] for answer in asked} == {"completed"}
        assert await it.pool.fetchval("select count(*) from attempts where outcome = 'park'") == 0


async def test_a_model_whose_drafts_fail_the_checks_again_and_again_is_passed_over(house: Open) -> None:
    async with house({"model": "m1", "answer": WRONG}, {"answer": RIGHT}) as it, it.worker(), it.door() as http:
        pacer = RedisPacer(it.redis, it.keys)
        rejected = 0
        while rejected < INVALID.failures:
            run = (await http.post("/v1/responses", json=QUESTION)).json()
            assert run["status"] == "completed"
            rejected += (await it.story(run["id"])).count("draft.rejected")

        async def held() -> bool:
            found = await pacer.holds([MODEL])
            return [(it.kind, it.agent) for it in found] == [("invalid", "documents@default")]

        await until(held)
        run = (await http.post("/v1/responses", json=QUESTION)).json()
        assert [row["model"] for row in await it.calls(run["id"])] == ["m2"]
        assert "draft.rejected" not in await it.story(run["id"])
