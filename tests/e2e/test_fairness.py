"""Whose turn it is where one project has far more to do than others: sweeps over a real ledger and streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.access import Project
from agent.adapters.embedded import Engines
from agent.adapters.ledger.access import PostgresAccess
from agent.adapters.ledger.looking import LedgerLook
from agent.adapters.ledger.sweeps import PostgresSweeps
from agent.adapters.streams.redis import RedisStreams
from agent.fairness import Queue, Share
from agent.ports import Delivery
from tests.contract.toys import ROUTES, advance, finish, new_run
from tests.e2e.desk import Desk, desk_at
from tests.e2e.house import QUESTION, RIGHT, Open, until

SHARE = 5


@pytest.fixture
async def desk(engines: Engines, redis_prefix: str, data_dir: Path) -> AsyncIterator[Desk]:
    async with desk_at(engines.urls, redis_prefix, data_dir) as desk:
        await PostgresAccess(desk.pool).create_project(Project("acme"), "ann")
        yield desk


async def opened(desk: Desk, name: str, project: str, *, bulk: bool) -> None:
    await desk.ledger.open(replace(new_run(name, project=project), bulk=bulk))


class Shop:
    """A relay's sweep and a worker with one slot."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.streams = RedisStreams(desk.redis, desk.keys, "worker", share=Share(SHARE))
        self.sweeps = PostgresSweeps(desk.ledger)

    async def sweep(self) -> tuple[int, bool]:
        return tuple(await self.sweeps.publish_due(self.streams.publish_all, 0.0))  # type: ignore[return-value]

    async def waiting(self, route: str = ROUTES[0]) -> list[dict[str, str]]:
        found: Any = await self.desk.redis.xrange(self.desk.keys.work(route))
        return [fields for _, fields in found]

    async def work(self, most: int) -> list[str]:
        """The runs that were begun and ended, in their order."""
        reader = self.streams.reader(ROUTES[0])
        await reader.join()
        done = []
        for delivery in await reader.new(most):
            assert isinstance(delivery, Delivery) and await self.streams.take(delivery)
            begun = await self.desk.ledger.begin(delivery)
            assert begun is not None and await self.desk.ledger.commit(begun, finish())
            await self.streams.ack(delivery)
            done.append(delivery.pointer.run)
        return done


async def test_a_long_queue_is_worked_off_and_nobody_else_waits_for_more_than_a_share_of_it(desk: Desk) -> None:
    shop, order = Shop(desk), list[str]()
    for number in range(3 * SHARE):
        await opened(desk, f"resp_a{number:02d}", "default", bulk=True)
    assert await shop.sweep() == (SHARE, True)
    await opened(desk, "resp_b", "acme", bulk=True)
    await shop.sweep()
    while await shop.waiting():
        order += await shop.work(2)
        await shop.sweep()
    assert order.index("resp_b") <= SHARE, "whatever the other project has asked for"
    assert sorted(order) == [*(f"resp_a{number:02d}" for number in range(3 * SHARE)), "resp_b"]
    assert await shop.sweep() == (0, False)


async def test_of_one_project_what_somebody_waits_for_has_its_turn_first(desk: Desk) -> None:
    shop = Shop(desk)
    for number in range(3 * SHARE):
        await opened(desk, f"resp_a{number:02d}", "default", bulk=True)
    await opened(desk, "resp_b", "default", bulk=False)
    await shop.sweep()
    told = await shop.waiting()
    assert told[0]["run"] == "resp_b" and Counter(it.get("bulk") for it in told) == {None: 1, "1": SHARE - 1}


async def test_a_redis_that_forgot_its_counts_gets_no_more_than_a_share_again(desk: Desk) -> None:
    shop = Shop(desk)
    for number in range(3 * SHARE):
        await opened(desk, f"resp_a{number:02d}", "default", bulk=True)
    await shop.sweep()
    await desk.redis.delete(desk.keys.work(ROUTES[0]), desk.keys.queued(ROUTES[0]))
    assert await shop.sweeps.audit(shop.streams.missing) == SHARE
    assert await shop.sweep() == (SHARE, True) and len(await shop.waiting()) == SHARE


async def test_a_queue_of_background_runs_goes_through_the_whole_house_whatever_is_held_back(house: Open) -> None:
    little: dict[str, Any] = {"queued_per_project": 1, "sweep_s": 0.05}
    async with house({"answer": RIGHT}) as it, it.door(**little) as http:
        asked = [await http.post("/v1/responses", json=QUESTION | {"background": True}) for _ in range(5)]
        assert len(await it.entries(it.keys.work("retrieve"))) == 1, "the others stay in the ledger"
        async with it.worker(**little):
            for run in [reply.json()["id"] for reply in asked]:

                async def ended(run: str = run) -> bool:
                    return bool((await http.get(f"/v1/responses/{run}")).json()["status"] == "completed")

                assert await until(ended)


async def test_each_line_of_work_has_waited_for_its_own_time(desk: Desk) -> None:
    for name, project, bulk, seconds in (("resp_1", "default", True, 90), ("resp_2", "acme", False, 40)):
        await opened(desk, name, project, bulk=bulk)
        await desk.pool.execute(
            "update work set due_at = now() - make_interval(secs => $2) where run_id = $1", name, seconds
        )
    begun = await desk.begun(replace(new_run("resp_2", project="acme").pointer))
    assert await desk.ledger.commit(begun, advance())
    told = await LedgerLook(desk.pool).pressure()
    assert {queue: round(age, -1) for queue, age in told.items()} == {
        Queue("default", ROUTES[0], True): 90,
        Queue("acme", ROUTES[1]): 0,
    }
