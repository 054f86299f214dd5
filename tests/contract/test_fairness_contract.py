"""What one project may fill of a route's stream, on the twin and on Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.fairness import WAITED_FOR
from agent.ports import Delivery, Pointer, Streams
from agent.testing import MemoryLedger
from tests.contract.backends import Transport
from tests.contract.toys import advance
from workers.announce import announce
from workers.others import let_go

BULK = Pointer("resp_1", 1, 1, "generate", 1, "acme", bulk=True)
WAITED = replace(BULK, bulk=False)


async def published(streams: Streams, pointer: Pointer, count: int) -> Sequence[bool]:
    """Which of so many entries came into the stream."""
    return [bool(await streams.publish(replace(pointer, run=f"resp_{number}"))) for number in range(count)]


async def taken(transport: Transport, streams: Streams, count: int) -> None:
    """A worker takes so many and is done with them."""
    for delivery in await transport.read("generate", count):
        assert isinstance(delivery, Delivery) and await streams.take(delivery)
        await streams.ack(delivery)


async def test_a_project_fills_its_share_of_a_stream_and_others_have_theirs(transport: Transport) -> None:
    streams = transport.shared(3)
    assert await published(streams, BULK, 5) == [True, True, True, False, False]
    assert await published(streams, replace(BULK, project="other"), 1) == [True]
    assert await published(streams, replace(BULK, route="validate"), 1) == [True]
    assert len(await transport.entries("generate")) == 4


async def test_what_somebody_waits_for_goes_in_where_the_rest_is_held_back(transport: Transport) -> None:
    streams = transport.shared(2)
    await published(streams, BULK, 3)
    assert await published(streams, WAITED, 2 * WAITED_FOR) == [True] * (2 * WAITED_FOR - 2) + [False] * 2


async def test_there_is_room_again_for_as_many_as_were_taken(transport: Transport) -> None:
    streams = transport.shared(3)
    await published(streams, BULK, 3)
    await taken(transport, streams, 2)
    assert await published(streams, BULK, 3) == [True, True, False]


async def test_an_entry_that_is_tried_twice_makes_room_once(transport: Transport) -> None:
    streams, ledger = transport.shared(3), MemoryLedger()
    await published(streams, BULK, 3)
    (delivery,) = await transport.read("generate", 1)
    assert isinstance(delivery, Delivery)
    other = replace(delivery, worker="other", times=2)
    assert await streams.take(other) and not await streams.take(delivery)
    await streams.ack(other)
    ledger.carries = carried  # type: ignore[method-assign]
    assert await let_go(delivery, ledger, streams)
    await streams.ack(delivery)
    assert await published(streams, BULK, 3) == [True, False, False]


async def carried(delivery: Delivery, /) -> bool:
    return True


async def test_entries_that_left_untaken_do_not_hold_a_project_back_for_ever(transport: Transport) -> None:
    streams = transport.shared(3)
    await published(streams, BULK, 3)
    for delivery in await transport.read("generate", 3):
        await streams.ack(delivery)  # by a worker that died before it took them, say
    assert await published(streams, BULK, 4) == [True, True, True, False]


async def test_an_entry_tells_its_worker_that_nobody_waits_for_it(transport: Transport) -> None:
    await transport.streams.publish(BULK)
    (delivery,) = await transport.read("generate", 1)
    assert isinstance(delivery, Delivery) and delivery.pointer == BULK


async def test_the_next_entry_of_a_run_tells_so_too(transport: Transport) -> None:
    await announce(BULK, advance(route="validate"), transport.streams)
    (delivery,) = await transport.read("validate", 1)
    assert isinstance(delivery, Delivery)
    assert delivery.pointer == replace(BULK, seq=2, route="validate")
