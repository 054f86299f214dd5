"""The promises of `agent.ports.Streams` about leases: one worker at a time works on a piece of work."""

from __future__ import annotations

from dataclasses import replace

from agent.ports import Delivery, Pointer
from tests.contract.backends import Transport
from tests.contract.test_streams_contract import POINTER, read_one


async def test_a_lease_that_another_worker_holds_is_not_given_and_the_entry_stays(transport: Transport) -> None:
    await transport.streams.publish(POINTER)
    delivery = await read_one(transport)
    assert await transport.streams.take(replace(delivery, worker="another"))
    assert not await transport.streams.take(delivery)
    assert await transport.pending("generate") == [delivery.entry]


async def test_the_same_worker_may_take_a_lease_again(transport: Transport) -> None:
    await transport.streams.publish(POINTER)
    delivery = await read_one(transport)
    assert await transport.streams.take(delivery)
    assert await transport.streams.take(delivery)
    assert await transport.pending("generate") == [delivery.entry]


async def test_a_lease_is_on_one_attempt_at_one_event(transport: Transport) -> None:
    others = [replace(POINTER, seq=4), replace(POINTER, attempt=5), replace(POINTER, generation=3, run="resp_2")]
    assert await transport.streams.take(Delivery(POINTER, "1-0", "one"))
    for n, pointer in enumerate(others):
        assert await transport.streams.take(Delivery(pointer, f"2-{n}", "another"))


async def test_acking_lets_go_of_the_lease(transport: Transport) -> None:
    await transport.streams.publish(POINTER)
    delivery = await read_one(transport)
    assert await transport.streams.take(delivery)
    await transport.streams.ack(delivery)
    assert await transport.streams.take(Delivery(POINTER, "9-9", "another"))


async def test_what_is_released_can_be_published_and_taken_by_another_at_once(transport: Transport) -> None:
    await transport.streams.publish(POINTER)
    delivery = await read_one(transport)
    assert await transport.streams.take(delivery)
    await transport.streams.release(delivery)
    assert await transport.entries("generate") == {}
    entry = await transport.streams.publish(POINTER)
    again = await read_one(transport)
    assert again.entry == entry
    assert await transport.streams.take(replace(again, worker="another"))


async def test_the_lease_of_a_dead_worker_runs_out_and_its_heir_takes_it(transport: Transport) -> None:
    await transport.streams.publish(POINTER)
    assert await transport.streams.take(await read_one(transport))
    (inherited,) = await transport.redeliver("generate")
    assert isinstance(inherited, Delivery)
    assert await transport.streams.take(inherited)


async def test_whoever_was_taken_over_cannot_ack_what_the_heir_holds(transport: Transport) -> None:
    await transport.streams.publish(POINTER)
    frozen = await read_one(transport)
    (inherited,) = await transport.redeliver("generate")
    assert isinstance(inherited, Delivery) and await transport.streams.take(inherited)
    await transport.streams.ack(frozen)
    await transport.streams.release(frozen)
    assert not await transport.streams.take(frozen)
    assert await transport.pending("generate") == [inherited.entry]
    await transport.streams.ack(inherited)
    assert await transport.entries("generate") == {}


async def test_a_lease_can_be_taken_although_the_transport_forgot_the_route(transport: Transport) -> None:
    delivery = Delivery(Pointer("resp_1", 1, 1, "forgotten", 1), "1-1", "one")
    assert await transport.streams.take(delivery)
    await transport.streams.ack(delivery)
