"""One trace per request through every process, and figures of all that was done."""

from __future__ import annotations

import asyncio

import httpx
from opentelemetry.sdk.trace import ReadableSpan
from structlog.testing import capture_logs

from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.streams.pacing import RedisPacer
from agent.adapters.streams.redis import RedisStreams
from agent.outcome import Bury, Outcome, failure_of
from agent.pacing import Came, Target, Turn, Wanted
from agent.ports import Begun, Delivery
from tests.e2e.house import QUESTION, RIGHT, WRONG, Open, until
from tests.spans import recorded
from workers.handle import handle

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = 0x0AF7651916CD43DD8448EB211C80319C
ENDED = 'cuelight_deliveries_total{outcome="end",route="validate"}'
BUSY = {"fault": {"kind": "server_error"}, "times": 1}


async def test_a_request_is_one_trace_with_its_retries_and_repairs(house: Open) -> None:
    with recorded() as spans:
        lines = (BUSY, {"answer": WRONG, "times": 1}, {"answer": RIGHT})
        async with house(*lines, models="m1") as it, it.worker(), it.door() as http:
            reply = await http.post("/v1/responses", json=QUESTION, headers={"traceparent": CALLER})
            assert reply.json()["status"] == "completed"
            run = reply.json()["id"]
            asked = await it.model.log(run)
        found = [span for span in spans.get_finished_spans() if span.context.trace_id == TRACE and not moved_on(span)]
    assert reply.headers["x-trace-id"] == f"{TRACE:032x}"
    names = [span.name for span in found]
    assert names.count("POST /v1/responses") == 1
    assert names.count("process generate") == 2, "the attempt that failed has a span of its own"
    assert names.count("process repair") == 1
    assert sum(name.startswith("chat ") for name in names) == 3
    failed = next(span for span in found if (span.attributes or {}).get("error.type") == "server")
    assert failed.name.startswith("chat ")
    outcomes = [(span.attributes or {}).get("cuelight.outcome") for span in found if span.name.startswith("process ")]
    assert sorted(map(str, outcomes)) == ["advance"] * 4 + ["end", "postpone"]
    assert {call["headers"]["traceparent"].split("-")[1] for call in asked} == {f"{TRACE:032x}"}
    written = "".join(span.to_json() for span in found)
    assert "warranty" not in written, "no word of a prompt, a document or an answer is exported"


async def test_the_metrics_tell_what_was_done(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.worker(), it.door() as http:
        before = figures((await http.get("/metrics")).text)
        await http.post("/v1/responses", json=QUESTION)

        async def whole() -> httpx.Response | None:
            page = await http.get("/metrics")  # the last delivery is counted a moment after its client has the answer
            return page if ENDED in figures(page.text) else None

        page = await until(whole)
    assert page.headers["content-type"].startswith("text/plain")
    after = figures(page.text)
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert grown[ENDED] == 1
    assert grown['cuelight_deliveries_total{outcome="advance",route="generate"}'] == 1
    assert grown['cuelight_delivery_seconds_count{outcome="advance",route="generate"}'] == 1
    assert grown['cuelight_runs_total{agent="documents",status="completed"}'] == 1
    assert grown['cuelight_model_calls_total{endpoint="default",model="m1",status="answered"}'] == 1
    assert grown['cuelight_http_requests_total{method="POST",route="/v1/responses",status="200"}'] == 1
    assert "warranty" not in page.text


async def test_what_a_frozen_worker_brings_too_late_is_counted_and_so_is_the_take_over_from_it(house: Open) -> None:
    begun, awake = asyncio.Event(), asyncio.Event()

    async def freeze(_: Begun) -> Outcome:
        begun.set()
        await awake.wait()
        return Bury("bug", "too late", failure_of("bug"))

    async with house({"answer": RIGHT}) as it, it.door() as http:
        before = figures((await http.get("/metrics")).text)
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        run = await until(it.published)
        streams = RedisStreams(it.redis, it.keys, "frozen", lease_s=0.05)
        (delivery,) = await streams.reader("retrieve").new(1)
        assert isinstance(delivery, Delivery)
        frozen = handle(delivery, decide=freeze, ledger=PostgresLedger(it.pool), streams=streams)
        zombie = asyncio.create_task(frozen)
        await begun.wait()
        async with it.worker():
            assert (await waiting).json()["status"] == "completed"
        awake.set()
        await zombie
        after = figures((await http.get("/metrics")).text)
        assert [row["settled"] for row in await it.attempts(run or "") if row["route"] == "retrieve"] == [False, True]
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown['cuelight_take_overs_total{route="retrieve"}'] == 1
    assert grown['cuelight_deliveries_total{outcome="fenced",route="retrieve"}'] == 1


async def test_runs_that_no_worker_ends_are_counted_too_and_the_log_names_their_trace(house: Open) -> None:
    async with house() as it, it.worker(["validate"]), it.door() as http:
        before = figures((await http.get("/metrics")).text)
        with capture_logs() as lines:
            late = (await http.post("/v1/responses", json=QUESTION | {"model": "hasty"})).json()
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        run = await until(it.published)
        await http.post(f"/v1/responses/{run}/cancel")
        assert (await waiting).json()["status"] == "cancelled"
        after = figures((await http.get("/metrics")).text)
    told = [(line["run"], line["trace"]) for line in lines if line["event"] == "run_overdue"]
    assert told == [(late["id"], late["metadata"]["cuelight.trace_id"])]
    for counted in ('agent="hasty",status="failed"', 'agent="documents",status="cancelled"'):
        name = f"cuelight_runs_total{{{counted}}}"
        assert after[name] - before.get(name, 0) == 1


async def test_a_path_that_nobody_serves_makes_no_figure_of_its_own(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        await http.get("/v1/responses/resp_0123456789")
        await http.get("/made/up/zephyr")
        page = (await http.get("/metrics")).text
    assert 'route="/v1/responses/{id}"' in page
    assert "zephyr" not in page and "resp_0123456789" not in page


def moved_on(span: ReadableSpan) -> bool:
    """An entry that was published twice does no harm, and may happen on a slow machine."""
    return (span.attributes or {}).get("cuelight.outcome") == "moved_on"


def figures(page: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in lines}


async def test_the_metrics_tell_which_models_are_on_hold(house: Open) -> None:
    async with house() as it, it.door() as http:
        pacer = RedisPacer(it.redis, it.keys)
        turn = await pacer.reserve(Wanted(Target("default", "m1"), "chat", "call"))
        assert isinstance(turn, Turn)
        await pacer.settle(turn, Came("rate_limited", wait_s=600))
        told = figures((await http.get("/metrics")).text)
        held = 'cuelight_model_held_seconds{agent="",endpoint="default",kind="rate_limited",model="m1"}'
        assert 500 < told[held] <= 600


async def test_the_metrics_tell_what_waits_where(house: Open) -> None:
    async with house() as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        await until(it.published)
        told = figures((await http.get("/metrics")).text)
        assert told['cuelight_work_open{route="retrieve"}'] == 1
        assert told['cuelight_stream_entries{route="retrieve"}'] == 1
        assert told['cuelight_work_open{route="generate"}'] == 0
        await it.redis.xadd(it.keys.work("retrieve"), {"hello": "world"})
        async with it.worker(["retrieve"]):

            async def buried() -> bool:
                page = (await http.get("/metrics")).text
                return figures(page).get('cuelight_dead_letters_open{kind="unreadable"}') == 1

            await until(buried)
        waiting.cancel()
