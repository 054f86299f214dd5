"""What a worker takes is begun at once, but for work that may kill it: that is begun alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agent.adapters.streams.heartbeat import ProcessHeartbeat
from agent.adapters.streams.keys import Keys
from agent.ports import Delivery, Pointer
from agent.testing import MemoryStreams
from tests.unit.test_decide import attempt
from workers.holding import Holding


def delivery(number: int, times: int = 1) -> Delivery:
    return replace(Delivery(Pointer(f"resp_{number}", 1, 1, "generate", 1), f"{number}-0", "w"), times=times)


async def test_work_that_was_with_several_dead_workers_is_begun_one_at_a_time_and_nothing_else_waits_for_it() -> None:
    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0))
    first, second = delivery(1, times=3), delivery(2, times=4)
    assert await held.take(first)
    waiting = asyncio.create_task(held.take(second))
    for number in range(3, 10):
        assert await held.take(delivery(number, times=2))
    assert not waiting.done(), "the first suspect is still being worked on"
    await held.ack(first)
    held.forget(first)
    assert await waiting


async def test_each_suspect_that_ends_well_lets_one_more_be_begun_at_once() -> None:
    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0))
    suspects = [delivery(number, times=3) for number in range(8)]
    taking = {it: asyncio.create_task(held.take(it)) for it in suspects}
    widths = []
    while taking:
        begun = [it for it in suspects if it in taking and await begins(taking[it])]
        widths.append(len(begun))
        for it in begun:
            held.bound(await attempt(delivery=it))
            await held.ack(it)
            held.forget(it)
            del taking[it]
    assert widths == [1, 2, 4, 1]


async def test_what_is_begun_for_the_last_time_is_alone_among_the_suspects_whatever_ended_well_before() -> None:
    async def begun(it: Delivery) -> int:
        return 7 if it.pointer.run == "resp_3" else 2

    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0), 8, begun)
    good, beside, last, behind = [delivery(number, times=9) for number in (1, 2, 3, 4)]
    assert await held.take(good)
    held.bound(await attempt(delivery=good))
    await held.ack(good)
    held.forget(good)
    assert await held.take(beside)
    taking = [asyncio.create_task(held.take(it)) for it in (last, behind)]
    assert [await begins(task) for task in taking] == [False, False]
    held.forget(beside)
    assert [await begins(task) for task in taking] == [True, False]
    held.forget(last)
    assert await begins(taking[1])


async def test_whoever_stops_waiting_for_a_turn_leaves_it_to_the_next() -> None:
    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0))
    first, second, third = [delivery(number, times=3) for number in range(3)]
    assert await held.take(first)
    taking = [asyncio.create_task(held.take(it)) for it in (second, third)]
    assert [await begins(task) for task in taking] == [False, False]
    taking[0].cancel()
    held.forget(first)
    assert await begins(taking[1])


async def test_a_suspect_that_left_no_outcome_is_no_reason_for_confidence() -> None:
    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0))
    broken_off, moved_on, third, fourth = [delivery(number, times=3) for number in range(4)]
    assert await held.take(broken_off)
    held.bound(await attempt(delivery=broken_off))
    held.forget(broken_off)
    assert await held.take(moved_on)
    await held.ack(moved_on)
    held.forget(moved_on)
    assert await held.take(third)
    taking = asyncio.create_task(held.take(fourth))
    assert not await begins(taking)
    taking.cancel()


async def test_what_was_handed_out_often_and_seldom_begun_is_no_suspect() -> None:
    async def begun(it: Delivery) -> int:
        return {"resp_1": 1, "resp_2": 1, "resp_3": 2, "resp_4": 2}[it.pointer.run]

    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0), begun=begun)
    taking = [asyncio.create_task(held.take(delivery(number, times=9))) for number in (1, 2, 3, 4)]
    assert [await begins(task) for task in taking] == [True, True, True, False]
    taking[3].cancel()


async def begins(taking: asyncio.Task[bool]) -> bool:
    for _ in range(20):
        await asyncio.sleep(0)
    return taking.done()
