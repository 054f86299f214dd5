"""What a pause does to a service at work: nothing new is taken, nothing is lost, and nothing is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from agent.adapters.ledger.pauses import PostgresPauses
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.streams.heartbeat import ProcessHeartbeat
from agent.adapters.streams.redis import RedisStreams
from agent.pauses import INTAKE, of_route
from agent.ports import Delivery, Pointer
from tests.e2e.house import QUESTION, RIGHT, House, Open, until
from workers.consume import Consumer
from workers.grace import Grace
from workers.holding import Holding

CHAT = {"model": "chat", "input": "Say something."}


async def test_a_paused_route_is_not_read_while_others_are_and_goes_on_where_it_stood(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        pauses = PostgresPauses(it.pool)
        await pauses.pause(of_route("retrieve"), "", "ann")
        async with it.worker():
            waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
            run = await until(it.published)
            assert (await http.post("/v1/responses", json=CHAT)).json()["status"] in ("completed", "failed")
            assert await it.attempts(run) == []
            await pauses.resume(of_route("retrieve"), "ann")
            assert (await waiting).json()["status"] == "completed"
        attempts = await it.attempts(run)
        assert {(row["attempt"], row["delivery"]) for row in attempts} == {(1, 1)}


async def test_a_pause_outlives_the_workers_that_knew_it_and_counts_as_no_delivery(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        pauses = PostgresPauses(it.pool)
        await pauses.pause(of_route("generate"), "", "ann")
        async with it.worker():
            first = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
            await until(lambda: standing(it, "generate", 1))
        async with it.worker():
            second = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
            await until(lambda: standing(it, "generate", 2))
            assert await it.pool.fetchval("select sum(deliveries) from work") == 0
            assert await it.pool.fetchval("select count(*) from attempts where route = 'generate'") == 0
            await pauses.resume(of_route("generate"), "ann")
            assert {(await it_ends).json()["status"] for it_ends in (first, second)} == {"completed"}
        assert await it.pool.fetchval("select max(greatest(delivery, attempt)) from attempts") == 1


async def test_a_reader_at_work_stops_when_its_route_is_paused_and_begins_again_after(house: Open) -> None:
    async with house() as it:
        switch, bench = Switch(), Bench(it)
        async with bench.working(Consumer.run, switch):
            await bench.publish("resp_1")
            assert await bench.handled.get() == "resp_1"
            switch.paused = True
            await switch.settle()
            await bench.publish("resp_2")
            await switch.settle()
            (group,) = await it.redis.xinfo_groups(it.keys.work("retrieve"))
            assert (group["pending"], group["lag"], bench.handled.empty()) == (0, 1, True)
            switch.paused = False
            assert await bench.handled.get() == "resp_2"


async def test_what_a_dead_worker_held_is_not_taken_over_while_the_route_is_paused(house: Open) -> None:
    async with house() as it:
        switch, bench = Switch(), Bench(it)
        dead = RedisStreams(it.redis, it.keys, "dead").reader("retrieve")
        await dead.join()
        await bench.publish("resp_1")
        assert len(await dead.new(1)) == 1
        switch.paused = True
        async with bench.working(Consumer.inherit, switch):
            await switch.settle()
            assert bench.handled.empty()
            switch.paused = False
            assert await bench.handled.get() == "resp_1"


class Bench:
    """One consumer of one route, whose work is to note which runs came."""

    def __init__(self, it: House) -> None:
        self.streams = RedisStreams(it.redis, it.keys, "tester")
        self._held = Holding(self.streams, ProcessHeartbeat(it.urls.redis_url, it.keys, "tester", 0.2))
        self.handled = asyncio.Queue[str]()
        self._ledger = PostgresLedger(it.pool)

    async def publish(self, run: str) -> None:
        await self.streams.publish(Pointer(run, 1, 1, "retrieve", 1))

    @asynccontextmanager
    async def working(
        self, part: Callable[..., Coroutine[Any, Any, None]], paused: Callable[[], bool]
    ) -> AsyncIterator[None]:
        reader = self.streams.reader("retrieve")
        consumer = Consumer(
            reader, self._handle, self._ledger, self._held, grace=Grace(0.2), paused=paused, slots=4, lease_s=0.2
        )
        stop = asyncio.Event()
        task = asyncio.create_task(part(consumer, stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def _handle(self, delivery: Delivery) -> None:
        self.handled.put_nowait(delivery.pointer.run)
        await self.streams.ack(delivery)


class Switch:
    """Whether a route is paused; `settle` waits until the reader has asked often enough to know it."""

    def __init__(self) -> None:
        self.paused = False
        self._asked = asyncio.Semaphore(0)

    def __call__(self) -> bool:
        self._asked.release()
        return self.paused

    async def settle(self) -> None:
        self._asked = asyncio.Semaphore(0)
        for _ in range(5):
            await self._asked.acquire()


async def test_a_run_at_a_paused_route_still_ends_at_its_deadline(house: Open) -> None:
    async with house() as it, it.door() as http:
        await PostgresPauses(it.pool).pause(of_route("retrieve"), "", "ann")
        async with it.worker():
            body = (await http.post("/v1/responses", json=QUESTION | {"model": "hasty"})).json()
        assert (body["status"], body["metadata"]["cuelight.error_code"]) == ("failed", "deadline_exceeded")
        assert await it.attempts(body["id"]) == []


async def test_while_the_intake_is_paused_what_was_accepted_goes_on(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        await until(it.published)
        await PostgresPauses(it.pool).pause(INTAKE, "", "ann")
        async with it.door() as other:
            refused = await other.post("/v1/responses", json=QUESTION)
            assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
            async with it.worker():
                done = (await waiting).json()
            assert done["status"] == "completed"
            assert (await other.get(f"/v1/responses/{done['id']}")).json() == done
        assert await it.pool.fetchval("select count(*) from runs") == 1


async def standing(it: House, route: str, count: int) -> bool:
    """Whether so many open runs stand in the stream of `route`."""
    statement = "select count(*) from work where route = $1 and entry is not null"
    return bool(await it.pool.fetchval(statement, route) == count)
