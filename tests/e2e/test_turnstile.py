"""Limits at the door: who is let in, what clients are told, and what happens when Redis or the ledger is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from agent.access import Limits, Project
from agent.fairness import Queue
from agent.metering import WINDOW_S, Scope, Verdict
from agent.ports import DEFAULT_PROJECT, Pointer
from agent.testing.metering import MemoryCounters, MemoryMeter
from api.access import Caller
from api.errors import ApiError
from api.limits import AWAY_S, Turnstile
from tests.e2e.test_access import auth, issue
from tests.naps import Naps
from tests.stage import QUESTION, Stage, accepted


@asynccontextmanager
async def limited(stage: Stage, **limits: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a project with these limits."""
    await stage.access.create_project(Project("acme", limits=Limits(**limits)), "ann")
    key, _ = await issue(stage.access, "acme")
    async with stage.client() as client:
        client.headers.update(auth(key))
        yield client


async def test_a_request_over_the_limit_is_told_when_to_come_again_and_opens_nothing() -> None:
    stage = Stage(lambda _: accepted())
    async with limited(stage, requests_per_min=2) as client:
        replies = [await client.post("/v1/responses", json=QUESTION) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        error, headers = replies[2].json()["error"], replies[2].headers
        assert (error["code"], error["type"]) == ("rate_limit_exceeded", "too_many_requests")
        assert "begins 2 runs a minute" in error["message"]
        assert headers["retry-after"] == "60"
        assert "x-should-retry" not in headers
        remaining = [reply.headers["x-ratelimit-remaining-requests"] for reply in replies]
        assert remaining == ["1", "0", "0"]
        assert headers["x-ratelimit-limit-requests"] == "2"
        assert headers["x-ratelimit-reset-requests"] == "60s"
        assert len(stage.ledger.runs) == 2
        stage.ledger.clock.advance(WINDOW_S)
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200


async def test_looking_at_things_is_not_limited_and_what_is_refused_is_not_counted() -> None:
    stage = Stage(lambda _: accepted())
    async with limited(stage, requests_per_min=1) as client:
        for _ in range(3):
            assert (await client.get("/v1/models")).status_code == 200
            assert (await client.post("/v1/responses", json={"input": 7})).status_code == 400
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200


async def test_a_key_has_limits_of_its_own_within_those_of_its_project() -> None:
    stage = Stage(lambda _: accepted())
    await stage.access.create_project(Project("acme", limits=Limits(requests_per_min=3)), "ann")
    tight, _ = await issue(stage.access, "acme", limits=Limits(requests_per_min=1))
    wide, _ = await issue(stage.access, "acme")
    async with stage.client() as client:

        async def asked(key: str) -> int:
            return (await client.post("/v1/responses", json=QUESTION, headers=auth(key))).status_code

        assert [await asked(tight), await asked(tight)] == [200, 429]
        assert [await asked(wide), await asked(wide), await asked(wide)] == [200, 200, 429]


async def test_spent_dollars_are_a_quota_that_trying_again_does_not_mend() -> None:
    stage = Stage(lambda _: accepted())
    async with limited(stage, usd_per_day=Decimal("0.000001")) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
        scopes = [Scope("acme", None, Limits(usd_per_day=Decimal("0.000001")))]
        used = (await MemoryMeter(stage.ledger).used("acme"))[None]
        await stage.counters.fill(scopes, {None: type(used)(usd=Decimal(1))})
        reply = await client.post("/v1/responses", json=QUESTION)
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "insufficient_quota")
    assert reply.headers["x-should-retry"] == "false"
    assert int(reply.headers["retry-after"]) == 12 * 3600


async def test_runs_under_way_hold_their_place_until_their_ending_was_sent_or_the_ledger_knows_it() -> None:
    published = asyncio.Event()

    class Told(Stage):
        async def publish(self, pointer: Pointer, /) -> str:
            published.set()
            return await super().publish(pointer)

    stage = Told()
    async with limited(stage, concurrent_runs=1) as client:
        first = asyncio.create_task(client.post("/v1/responses", json=QUESTION))
        await published.wait()
        second = await client.post("/v1/responses", json=QUESTION)
        assert (second.status_code, second.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert second.headers["retry-after"] == "1"
        (pointer,) = stage.ledger.due()
        await stage.end(pointer, accepted())
        assert (await first).status_code == 200
        stage.settle = lambda _: accepted()
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200


async def test_a_run_in_the_background_holds_its_place_though_its_client_was_answered() -> None:
    stage = Stage()
    async with limited(stage, concurrent_runs=1) as client:
        first = await client.post("/v1/responses", json=QUESTION | {"background": True})
        for _ in range(100):  # whatever is told behind the reply's back
            await asyncio.sleep(0)
        second = await client.post("/v1/responses", json=QUESTION | {"background": True})
        assert (first.status_code, second.status_code) == (200, 429)
        (pointer,) = stage.ledger.due()
        await stage.end(pointer, accepted())
        assert (await client.post("/v1/responses", json=QUESTION | {"background": True})).status_code == 200


async def test_a_run_in_the_background_gives_its_place_back_when_it_has_ended_though_nobody_came_for_it() -> None:
    stage = Stage()
    body = QUESTION | {"background": True}
    async with limited(stage, concurrent_runs=1) as client:
        assert (await client.post("/v1/responses", json=body)).status_code == 200
        assert (await client.post("/v1/responses", json=body)).status_code == 429
        (pointer,) = stage.ledger.due()
        await stage.end(pointer, accepted())
        assert (await client.post("/v1/responses", json=body)).status_code == 200


async def test_a_wiped_redis_lets_nobody_in_beyond_what_the_ledger_has_counted() -> None:
    stage = Stage(lambda _: accepted())
    async with limited(stage, requests_per_min=2) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
        stage.counters.wipe()
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
        stage.counters.wipe()
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 429


async def test_everybody_comes_in_while_redis_is_away_and_is_counted_when_it_is_back() -> None:
    stage = Stage(lambda _: accepted())
    now = [0.0]
    turnstile = Turnstile(stage.counters, MemoryMeter(stage.ledger), 5.0, clock=lambda: now[0])
    caller = Caller(Project(DEFAULT_PROJECT, limits=Limits(requests_per_min=1)))
    stage.counters.reachable = False
    for n in range(3):
        assert await turnstile.enter(caller, f"resp_{n}") == {}
    async with stage.client() as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    stage.counters.reachable = True
    assert await turnstile.enter(caller, "resp_3") == {}, "it is not asked again at once"
    now[0] += AWAY_S
    with pytest.raises(ApiError) as caught:
        await turnstile.enter(caller, "resp_4")
    assert caught.value.status == 429


async def test_a_redis_that_does_not_answer_holds_nobody_up_for_long() -> None:
    class Frozen(MemoryCounters):
        async def enter(self, *_: Any) -> Verdict:
            await asyncio.Event().wait()
            raise AssertionError

    stage, naps = Stage(), Naps()
    turnstile = Turnstile(Frozen(stage.ledger.clock), MemoryMeter(stage.ledger), 5.0, naps)
    caller = Caller(Project(DEFAULT_PROJECT, limits=Limits(requests_per_min=1)))
    entering = asyncio.create_task(turnstile.enter(caller, "resp_1"))
    await naps.end(1.0)
    assert await entering == {}


async def test_nobody_is_asked_where_there_is_no_limit() -> None:
    stage = Stage(lambda _: accepted())
    stage.counters.reachable = False
    async with limited(stage) as client:
        reply = await client.post("/v1/responses", json=QUESTION)
    assert reply.status_code == 200
    assert not [name for name in reply.headers if name.startswith("x-ratelimit")]


async def test_what_runs_use_is_counted_while_they_are_under_way_and_once_more_at_their_end() -> None:
    fills: list[bool] = []

    class Watched(MemoryCounters):
        async def fill(self, *values: Any) -> bool:
            fills.append(await super().fill(*values))
            return fills[-1]

    stage = Stage()
    stage.counters = Watched(stage.ledger.clock)
    turnstile = Turnstile(stage.counters, MemoryMeter(stage.ledger), 5.0)
    caller = Caller(Project(DEFAULT_PROJECT, limits=Limits(tokens_per_min=100)))
    await turnstile.enter(caller, "resp_1")
    stage.ledger.clock.advance(11)
    await turnstile.fill_all()
    await turnstile.fill_all()
    assert fills == [False, False], "the first is before anything is let in, and nothing is open at the second"
    await turnstile.enter(caller, "resp_2")
    await turnstile.fill_all()
    await turnstile.fill_all()
    assert fills[2:] == [True, True], "it may yet be opened"


# ------------------------------------------------------------------------------------------------ backlog


async def test_new_runs_are_refused_while_work_of_their_route_waits_too_long_and_known_ones_are_not() -> None:
    line = Queue("default", "retrieve")
    waits = {line: 1.0, Queue("default", "elsewhere"): 500.0, Queue("acme", "retrieve"): 500.0}
    waits[line._replace(bulk=True)] = 500.0  # what somebody waits for overtakes it
    stage = Stage(lambda _: accepted(), waiting=lambda: waits)
    once = {"idempotency-key": "order-17"}
    async with stage.client() as client:
        first = await client.post("/v1/responses", json=QUESTION, headers=once)
        assert first.status_code == 200
        behind = await client.post("/v1/responses", json=QUESTION | {"background": True})
        waits[line] = 31.0
        refused = await client.post("/v1/responses", json=QUESTION)
        again = await client.post("/v1/responses", json=QUESTION, headers=once)
        waits[line] = 30.0
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    assert behind.status_code == 503, "the background has a line of its own, and that is long"
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "5"
    assert again.json() == first.json()
