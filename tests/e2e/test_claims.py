"""Two retries that want one run in the same moment, on PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

from agent.adapters.embedded import Engines
from agent.adapters.ledger.queries import sql
from agent.callers import Retry
from agent.presence import ALIVE_S
from tests.contract.real import RealStore, migrated_template
from tests.contract.toys import new_run
from tests.e2e.house import until
from tests.engines import fresh_database

MARK = b"same caller, same body"
GATE = "(select 1 from (select pg_advisory_xact_lock(7)) g) = 1"
SLOW = sql("claim").replace("where m.free and", "where m.free and " + GATE + " and")
"""A claim that has read which callers are gone, and then waits at a gate before it takes a run."""


async def test_a_run_that_was_taken_between_reading_and_taking_is_not_taken_twice(engines: Engines) -> None:
    assert sql("claim") != SLOW
    template = await migrated_template(engines.urls)
    async with fresh_database(engines.urls, template=template) as url, RealStore.connected(url) as store:
        await store.ledger.open(new_run("resp_1", fingerprint=MARK))
        await store.presence.here("quick", "api", "1.0")
        async with store.pool.acquire() as gate:
            await gate.execute("select pg_advisory_lock(7)")
            slow = asyncio.ensure_future(store.pool.fetchrow(SLOW, "default", MARK, "slow/1", 600.0, ALIVE_S))
            await until(lambda: waiting(gate))
            assert (await store.callers.claim(Retry("default", MARK, "quick/1", 600.0))).run == "resp_1"
            await gate.execute("select pg_advisory_unlock(7)")
            row: Any = await slow
        assert (row["run"], row["more"]) == (None, True)
        assert await store.pool.fetchval("select holder from runs") == "quick/1"


async def waiting(connection: Any) -> bool | None:
    found = await connection.fetchval("select true from pg_locks where locktype = 'advisory' and not granted")
    return bool(found) or None
