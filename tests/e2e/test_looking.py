"""Looking into the streams of a real server: what is told is right, and nothing is taken or changed by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from redis.asyncio import Redis

from agent.adapters.embedded import Engines
from agent.adapters.streams.client import connect
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.looking import StreamLook, looking_client
from agent.adapters.streams.redis import RedisStreams
from agent.inspection import Entry
from agent.ports import Delivery, Pointer

ROUTE = "retrieve"
GARBAGE = {b"\xff\x1b[2J": b"\x80[bold]", b"hello": b"world"}


class Place:
    """One route below a prefix of its own: a reader who holds entries, and somebody who looks."""

    def __init__(self, client: Redis, looker: Redis, prefix: str) -> None:
        self.client = client
        self.keys = Keys(prefix)
        self.key = self.keys.work(ROUTE)
        self.streams = RedisStreams(client, self.keys, "reader")
        self.look = StreamLook(looker, self.keys)

    async def publish(self, count: int) -> list[str]:
        pointers = [Pointer(f"resp_{number}", 1, 1, ROUTE, 1) for number in range(count)]
        return list(await self.streams.publish_all(pointers))

    async def take(self, count: int) -> list[Delivery]:
        reader = self.streams.reader(ROUTE)
        await reader.join()
        return [it for it in await reader.new(count) if isinstance(it, Delivery)]

    async def facts(self) -> list[Any]:
        """All that the server says of the stream, its group and its pending list, but for how long ago things were."""
        info: Any = await self.client.xinfo_stream(self.key, full=True)
        pending = await self.client.xpending_range(self.key, ROUTE, "-", "+", 1_000)
        groups = await self.client.xinfo_groups(self.key)
        consumers = await self.client.xinfo_consumers(self.key, ROUTE)
        for row in (*pending, *consumers):
            for moving in ("time_since_delivered", "idle", "inactive"):
                row.pop(moving, None)
        return [info, pending, groups, consumers]


@pytest.fixture
async def place(engines: Engines, redis_prefix: str) -> AsyncIterator[Place]:
    client, looker = connect(engines.urls.redis_url), looking_client(engines.urls.redis_url)
    try:
        yield Place(client, looker, redis_prefix)
    finally:
        await looker.aclose()
        await client.aclose()


async def test_looking_peeking_and_tailing_take_and_change_nothing(place: Place) -> None:
    await place.publish(5)
    await place.client.xadd(place.key, GARBAGE)  # type: ignore[arg-type]
    await place.take(2)
    before = await place.facts()
    await place.look.routes()
    await place.look.route(ROUTE)
    await place.look.peek(ROUTE, 10)
    await place.look.peek(ROUTE, 2, newest=True)
    assert len(await first(place, 6, "0-0")) == 6
    assert await place.facts() == before


async def first(place: Place, count: int, after: str | None = None) -> list[Entry]:
    found: list[Entry] = []
    async with aclosing(place.look.tail(ROUTE, after)) as coming:
        async for entry in coming:
            found.append(entry)
            if len(found) == count:
                break
    return found


async def test_a_route_tells_its_length_lag_pending_and_readers(place: Place) -> None:
    await place.publish(5)
    await place.take(2)
    look = await place.look.route(ROUTE)
    assert (look.length, look.pending, look.lag, look.lag_exact) == (5, 2, 3, True)
    assert [(it.name, it.pending) for it in look.consumers] == [("reader", 2)]
    assert look.oldest_s is not None and look.idle_s is not None


async def test_the_lag_is_counted_where_the_server_has_lost_count(place: Place) -> None:
    ids = await place.publish(250)
    await place.take(2)
    await place.client.xdel(place.key, *ids[100:150])
    (group,) = await place.client.xinfo_groups(place.key)
    assert group["lag"] is None, "the server counts after all: this test shows nothing any more"
    look = await place.look.route(ROUTE)
    assert (look.lag, look.lag_exact) == (198, True)


async def test_a_stream_without_a_group_and_a_route_without_a_stream_are_told_as_such(place: Place) -> None:
    assert not (await place.look.route(ROUTE)).exists
    await place.publish(3)
    look = await place.look.route(ROUTE)
    assert (look.exists, look.grouped, look.lag) == (True, False, 3)


async def test_the_routes_are_those_below_our_own_prefix(place: Place) -> None:
    await place.publish(1)
    await place.client.xadd("elsewhere:work:{x}", {"a": "b"})
    assert await place.look.routes() == [ROUTE]


async def test_peek_shows_garbage_byte_for_byte_with_fields_of_the_same_name(place: Place) -> None:
    await place.client.execute_command("XADD", place.key, "*", b"\xff\x1b[2J", b"\x80", "a", "1", "a", "2")  # type: ignore[no-untyped-call]
    found = await place.look.peek(ROUTE, 10)
    assert found is not None
    assert found[0].fields == (("\udcff\x1b[2J", "\udc80"), ("a", "1"), ("a", "2"))


async def test_peek_says_who_holds_an_entry_and_goes_on_after_one(place: Place) -> None:
    ids = await place.publish(4)
    await place.take(2)
    found = await place.look.peek(ROUTE, 10)
    assert found is not None
    assert [(it.id, it.consumer, it.deliveries) for it in found] == [
        *((id, "reader", 1) for id in ids[:2]),
        *((id, None, 0) for id in ids[2:]),
    ]
    later = await place.look.peek(ROUTE, 2, ids[0])
    newest = await place.look.peek(ROUTE, 2, newest=True)
    assert [it.id for it in later or ()] == ids[1:3] and [it.id for it in newest or ()] == ids[2:]
    assert await place.look.peek("nowhere", 10) is None


async def test_a_tail_begins_now_and_misses_nothing_between_two_reads(place: Place) -> None:
    await place.publish(3)
    async with aclosing(place.look.tail(ROUTE)) as coming:
        waiting = asyncio.ensure_future(anext(coming))
        await asyncio.wait_for(blocked(place), 20)
        ids = await place.publish(2)
        assert (await waiting).id == ids[0]
        more = await place.publish(1)
        assert [(await anext(coming)).id, (await anext(coming)).id] == [ids[1], *more]


async def blocked(place: Place) -> None:
    """Returns once some client waits in a blocking read."""
    while not any("b" in client["flags"] for client in await place.client.client_list()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
