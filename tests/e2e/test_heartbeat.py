"""The heartbeat process of a worker: what it renews, makes anew, leaves alone, and when it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest
from redis.asyncio import Redis

from agent.adapters.embedded import Engines
from agent.adapters.streams import scripts
from agent.adapters.streams.client import connect
from agent.adapters.streams.heartbeat import ProcessHeartbeat
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.redis import RedisStreams
from agent.errors import Transient
from agent.ports import Delivery, Pointer
from tests.crash.stage import until

ROUTE = "generate"
LEASE_S = 0.3
SILENT_MS = 1_000_000
"""How long an entry's reader is made out to have been silent."""


class Ward:
    """A worker's streams and heartbeat, and a look at what the server has of it."""

    def __init__(self, client: Redis, url: str, prefix: str) -> None:
        self.redis = client
        self.keys = Keys(prefix)
        self.streams = RedisStreams(client, self.keys, "me", LEASE_S)
        self.heart = ProcessHeartbeat(url, self.keys, "me", LEASE_S)
        self.pulse = Delivery(Pointer("resp_pulse", 1, 1, ROUTE, 1), "1-0", "me")

    async def delivered(self, run: str) -> Delivery:
        reader = self.streams.reader(ROUTE)
        await reader.join()
        await self.streams.publish(Pointer(run, 1, 1, ROUTE, 1))
        (delivery,) = await reader.new(1)
        assert isinstance(delivery, Delivery)
        return delivery

    async def holder(self, delivery: Delivery) -> str | None:
        found = await self.redis.get(self.keys.lease(delivery.pointer))
        return str(found) if found else None

    async def holds(self, delivery: Delivery) -> bool:
        return await self.holder(delivery) == "me"

    async def beat(self) -> None:
        """Wait until the heart has beaten from beginning to end: a lease that is gone is there again, twice."""
        for _ in range(2):
            await self.redis.delete(self.keys.lease(self.pulse.pointer))

            async def again() -> bool:
                self.heart.hold(self.pulse)  # told anew: a heart that was late for once doubts all that it held
                return await self.holder(self.pulse) == "me"

            await until(again)

    async def silence(self, delivery: Delivery, consumer: str = "me") -> None:
        """Make an entry look as if its reader had not been heard of for long."""
        key, group = self.keys.work(ROUTE), self.keys.group(ROUTE)
        await self.redis.xclaim(key, group, consumer, 0, [delivery.entry], idle=SILENT_MS, justid=True)

    async def idle_ms(self, delivery: Delivery) -> int:
        key, group = self.keys.work(ROUTE), self.keys.group(ROUTE)
        (row,) = await self.redis.xpending_range(key, group, delivery.entry, delivery.entry, 1)
        return int(row["time_since_delivered"])


@asynccontextmanager
async def beating(ward: Ward) -> AsyncIterator[None]:
    done = asyncio.Event()
    await ward.heart.start()
    keeping = asyncio.create_task(ward.heart.keep(done))
    try:
        yield
    finally:
        done.set()
        await keeping


@pytest.fixture
async def ward(engines: Engines, redis_prefix: str) -> AsyncIterator[Ward]:
    client = connect(engines.urls.redis_url)
    try:
        yield Ward(client, engines.urls.redis_url, redis_prefix)
    finally:
        await client.aclose()


async def test_leases_and_pending_entries_are_renewed_and_lost_leases_made_anew(ward: Ward) -> None:
    delivery = await ward.delivered("resp_1")
    assert await ward.streams.take(delivery)
    async with beating(ward):
        ward.heart.hold(delivery)
        await ward.redis.delete(ward.keys.lease(delivery.pointer))
        await ward.silence(delivery)
        await ward.beat()
        await until(lambda: ward.holds(delivery))  # whenever the heart is late, it is gone for a moment
        assert await ward.idle_ms(delivery) < SILENT_MS


async def test_what_others_hold_is_left_to_them(ward: Ward) -> None:
    delivery = await ward.delivered("resp_1")
    async with beating(ward):
        ward.heart.hold(delivery)
        await ward.redis.set(ward.keys.lease(delivery.pointer), "heir")
        await ward.silence(delivery, "heir")
        await ward.beat()
        assert await ward.holder(delivery) == "heir"
        assert await ward.idle_ms(delivery) >= SILENT_MS


@pytest.mark.parametrize("how", ["let go", "deadline", "released"])
async def test_what_is_not_held_any_more_is_not_renewed(ward: Ward, how: str) -> None:
    delivery = await ward.delivered("resp_1")
    async with beating(ward):
        ward.heart.hold(delivery, 0.0 if how == "deadline" else None)
        if how == "let go":
            ward.heart.let_go(delivery)
        if how == "released":  # although the heart was not told in time
            assert await ward.streams.take(delivery)
            await ward.streams.release(delivery)
        else:
            await ward.redis.delete(ward.keys.lease(delivery.pointer))
        await ward.beat()
        assert not await ward.holder(delivery)


async def test_a_heart_that_dies_is_replaced_and_its_successor_knows_what_is_held(ward: Ward) -> None:
    delivery = await ward.delivered("resp_1")
    async with beating(ward):
        ward.heart.hold(delivery)
        await ward.beat()
        first = ward.heart.pid
        assert first is not None
        os.kill(first, SIGKILL)

        async def replaced() -> bool:
            return ward.heart.pid not in (first, None)

        await until(replaced)
        await ward.redis.delete(ward.keys.lease(delivery.pointer))
        await ward.beat()
        await until(lambda: ward.holds(delivery))


async def test_the_heart_outlives_its_connection(ward: Ward) -> None:
    async with beating(ward):
        await ward.beat()
        await ward.redis.client_kill_filter(_type="normal", skipme=True)
        await ward.beat()


@pytest.mark.parametrize("pending", [True, False])
async def test_a_doubtful_lease_is_made_anew_only_for_who_has_the_entry(ward: Ward, pending: bool) -> None:
    delivery = await ward.delivered("resp_1")
    if not pending:
        await ward.streams.ack(delivery)
    lease, work = ward.keys.lease(delivery.pointer), ward.keys.work(ROUTE)
    doubtful = (delivery.entry, "0")
    kept = await ward.redis.eval(scripts.RENEW, 2, work, lease, ROUTE, "me", "60000", *doubtful)
    assert (kept, await ward.holder(delivery)) == ((1, "me") if pending else (0, None))


async def test_nothing_is_taken_over_right_after_the_server_was_frozen(ward: Ward, engines: Engines) -> None:
    await ward.delivered("resp_1")
    heir = RedisStreams(ward.redis, ward.keys, "heir", LEASE_S).reader(ROUTE)
    server = engines.pids["Valkey"]
    os.kill(server, SIGSTOP)
    try:
        taking = asyncio.create_task(heir.inherited(1, LEASE_S))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(taking), LEASE_S)
    finally:
        os.kill(server, SIGCONT)
    with pytest.raises(Transient, match="to answer"):
        await taking

    async def taken_over() -> bool:
        with suppress(Transient):  # it is still slow
            return len(await heir.inherited(1, LEASE_S)) == 1
        return False

    await until(taken_over)
