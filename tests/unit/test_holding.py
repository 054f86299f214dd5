"""What a worker takes is begun at once, but for work that may kill it: that is begun alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agent.adapters.streams.heartbeat import ProcessHeartbeat
from agent.adapters.streams.keys import Keys
from agent.ports import Delivery, Pointer
from agent.testing import MemoryStreams
from workers.holding import Holding


def delivery(number: int, times: int = 1) -> Delivery:
    return replace(Delivery(Pointer(f"resp_{number}", 1, 1, "generate", 1), f"{number}-0", "w"), times=times)


async def test_work_that_was_with_several_dead_workers_is_begun_one_at_a_time_and_nothing_else_waits_for_it() -> None:
    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0), suspect_from=3)
    first, second = delivery(1, times=3), delivery(2, times=4)
    assert await held.take(first)
    waiting = asyncio.create_task(held.take(second))
    for number in range(3, 10):
        assert await held.take(delivery(number, times=2))
    assert not waiting.done(), "the first suspect is still being worked on"
    await held.ack(first)
    held.forget(first)
    assert await waiting
