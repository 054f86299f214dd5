"""The promises of `agent.ports.Streams` and `Doorbell`, on the twin and on Redis."""

from __future__ import annotations

import asyncio

import pytest

from agent.ports import Delivery, Pointer, Unreadable
from tests.contract.backends import Transport

POINTER = Pointer("resp_1", 2, 3, "generate", 4, "a-project", "00-trace")


async def read_one(transport: Transport, route: str = "generate") -> Delivery:
    (delivery,) = await transport.read(route, 10)
    assert isinstance(delivery, Delivery)
    return delivery


async def test_what_is_published_is_delivered_to_its_route_as_it_was(transport: Transport) -> None:
    entry = await transport.streams.publish(POINTER)
    assert await transport.read("validate", 10) == []
    delivery = await read_one(transport)
    assert (delivery.pointer, delivery.entry) == (POINTER, entry)
    assert delivery.worker


async def test_what_was_published_before_the_first_reader_came_is_not_lost(transport: Transport) -> None:
    published = [await transport.streams.publish(Pointer(f"resp_{n}", 1, 1, "new-route", 1)) for n in range(3)]
    assert [delivery.entry for delivery in await transport.read("new-route", 10)] == published


async def test_entries_are_flat_fields_that_a_person_can_read(transport: Transport) -> None:
    entry = await transport.streams.publish(POINTER)
    assert await transport.entries("generate") == {
        entry: {
            "run": "resp_1",
            "generation": "2",
            "seq": "3",
            "route": "generate",
            "attempt": "4",
            "project": "a-project",
            "trace": "00-trace",
        }
    }


async def test_a_reader_gets_no_more_than_it_has_room_for_and_the_oldest_first(transport: Transport) -> None:
    published = [await transport.streams.publish(Pointer(f"resp_{n}", 1, 1, "generate", 1)) for n in range(5)]
    first, second = await transport.read("generate", 2), await transport.read("generate", 9)
    assert [delivery.entry for delivery in first] == published[:2]
    assert [delivery.entry for delivery in second] == published[2:]


async def test_an_entry_is_pending_until_it_is_acked_and_then_it_is_gone(transport: Transport) -> None:
    entry = await transport.streams.publish(POINTER)
    assert await transport.pending("generate") == []
    delivery = await read_one(transport)
    assert await transport.pending("generate") == [entry]
    await transport.streams.ack(delivery)
    assert await transport.pending("generate") == []
    assert await transport.entries("generate") == {}


async def test_acking_twice_or_what_was_never_there_is_no_error(transport: Transport) -> None:
    await transport.streams.publish(POINTER)
    delivery = await read_one(transport)
    left = await transport.streams.publish(POINTER)
    for _ in range(2):
        await transport.streams.ack(delivery)
    await transport.streams.ack(Delivery(Pointer("resp_9", 1, 1, "no-such-route", 1), "1-1"))
    await transport.streams.ack(Unreadable("generate", "1-1", {}, "never there"))
    assert list(await transport.entries("generate")) == [left]


async def test_work_of_a_dead_worker_is_delivered_again(transport: Transport) -> None:
    await transport.streams.publish(POINTER)
    dead = await read_one(transport)
    assert await transport.read("generate", 10) == []
    (again,) = await transport.redeliver("generate")
    assert isinstance(again, Delivery)
    assert (again.pointer, again.entry) == (dead.pointer, dead.entry)
    await transport.streams.ack(again)
    assert await transport.redeliver("generate") == []


async def test_publishing_twice_makes_two_entries(transport: Transport) -> None:
    entries = [await transport.streams.publish(POINTER) for _ in range(2)]
    assert len(set(entries)) == 2
    assert [delivery.entry for delivery in await transport.read("generate", 10)] == entries


@pytest.mark.parametrize(
    "fields",
    [{"hello": "world"}, {"run": "resp_1", "generation": "1", "seq": "one", "route": "generate", "attempt": "1"}],
    ids=["stranger", "no number"],
)
async def test_an_entry_that_is_no_pointer_is_handed_out_as_unreadable(
    transport: Transport, fields: dict[str, str]
) -> None:
    garbage = await transport.put("generate", fields)
    good = await transport.streams.publish(POINTER)
    unreadable, delivery = await transport.read("generate", 10)
    assert isinstance(unreadable, Unreadable) and isinstance(delivery, Delivery)
    assert (unreadable.route, unreadable.entry, dict(unreadable.fields)) == ("generate", garbage, fields)
    assert unreadable.reason
    await transport.streams.ack(unreadable)
    assert list(await transport.entries("generate")) == [good]


async def test_whoever_waits_for_a_run_is_rung_when_it_ends(transport: Transport) -> None:
    await transport.streams.register("resp_1")
    await transport.streams.register("resp_2")
    await transport.streams.ended("resp_1")
    assert list(await transport.streams.rings()) == ["resp_1"]
    await transport.streams.ended("resp_2")
    assert list(await transport.streams.rings()) == ["resp_2"]


async def test_a_waiter_is_woken_from_its_sleep(transport: Transport) -> None:
    await transport.streams.register("resp_1")
    waiting = asyncio.create_task(transport.streams.rings())
    await transport.streams.ping()
    await transport.streams.ended("resp_1")
    assert list(await waiting) == ["resp_1"]


async def test_nobody_is_rung_for_a_run_that_nobody_waits_for(transport: Transport) -> None:
    await transport.streams.ended("resp_other")
    await transport.streams.register("resp_1")
    await transport.streams.ended("resp_1")
    assert list(await transport.streams.rings()) == ["resp_1"]


async def test_a_run_can_be_waited_for_again(transport: Transport) -> None:
    for _ in range(2):
        await transport.streams.register("resp_1")
        await transport.streams.ended("resp_1")
        assert list(await transport.streams.rings()) == ["resp_1"]
