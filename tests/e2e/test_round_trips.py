"""What a hop costs in round trips to PostgreSQL: a lone run waits for each of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent.adapters.embedded import Engines
from agent.adapters.ledger.connect import Pool, connect, connect_hot
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.queries import settling, sql
from agent.ports import Begun, Delivery, NewRun, Pointer
from tests.contract.real import migrated_template
from tests.contract.toys import advance, finish, model_call, new_run
from tests.engines import fresh_database


class Overheard:
    """A ledger, and what is said on its hot connections: the first word of each statement."""

    def __init__(self, pool: Pool, hot: Pool) -> None:
        self.ledger = PostgresLedger(pool, hot)
        self.hot = hot
        self._said: list[str] = []

    def hear(self, told: Any) -> None:
        words = told.query.removeprefix("-- ").split(maxsplit=1)
        self._said.append(words[0].rstrip(":"))

    def said(self) -> list[str]:
        """Since it was last asked."""
        said, self._said = self._said, []
        return said

    async def begun(self, pointer: Pointer) -> Begun:
        begun = await self.ledger.begin(Delivery(pointer))
        assert begun is not None
        return begun


@pytest.fixture
async def overheard(engines: Engines) -> AsyncIterator[Overheard]:
    template = await migrated_template(engines.urls)
    async with (
        fresh_database(engines.urls, template=template) as url,
        await connect(url) as pool,
        await connect_hot(url) as hot,
    ):
        found = Overheard(pool, hot)
        async with hot.acquire() as one, hot.acquire() as other:
            one.add_query_logger(found.hear)
            other.add_query_logger(found.hear)
        yield found


async def test_a_hop_that_asks_a_model_takes_three_round_trips_and_any_other_two(overheard: Overheard) -> None:
    assert await a_run(overheard, new_run("resp_1"))  # asyncpg asks once per connection for the types of a statement
    assert await a_run(overheard, new_run("resp_2")) == [
        *("open", "begin", "record_calls", "settle"),
        *("begin", "settle"),
    ]


async def a_run(overheard: Overheard, new: NewRun) -> list[str]:
    """What was said for a run of two hops, of which the first asks a model."""
    overheard.said()
    ledger = overheard.ledger
    await ledger.open(new)
    begun = await overheard.begun(new.pointer)
    call = model_call(status="asked")
    await ledger.intend(begun, call)
    call.status, call.answer = "answered", "{}"
    begun.calls.append(call)
    assert await ledger.commit(begun, advance(1, "second"))
    begun = await overheard.begun(Pointer(new.id, 1, 2, "second", 1))
    assert await ledger.commit(begun, finish())
    return overheard.said()


async def test_what_does_not_wait_for_the_disk_leaves_the_connection_durable(overheard: Overheard) -> None:
    await overheard.ledger.open(new_run())
    await overheard.begun(new_run().pointer)
    await overheard.ledger.drain()
    async with overheard.hot.acquire() as one, overheard.hot.acquire() as other:
        for connection in (one, other):
            assert await connection.fetchval("show synchronous_commit") == "on"


async def test_plans_of_hot_connections_are_pinned(overheard: Overheard) -> None:
    assert await overheard.hot.fetchval("show plan_cache_mode") == "force_generic_plan"


def test_statements_in_one_keep_their_parameters_apart() -> None:
    whole = settling(calls=True, ends=True)
    settle, ends, calls = (len(set(re.findall(r"\$\d+", sql(name)))) for name in ("settle", "end_runs", "record_calls"))
    assert {int(number) for number in re.findall(r"\$(\d+)", whole)} == set(range(1, settle + ends + calls + 1))
    assert f"${settle + 1}::text[], ${settle + 2}::text[]" in whole.partition("end_runs as (")[2]
    assert f"${settle + ends + 1}::text[], ${settle + ends + 2}::text[]" in whole.partition("record_calls as (")[2]
