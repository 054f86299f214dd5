"""After an outage nobody is taken for dead until every living worker could be heard again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.adapters.streams.heartbeat import ProcessHeartbeat
from agent.adapters.streams.keys import Keys
from agent.errors import Transient
from agent.ports import Delivery, Unreadable
from agent.testing import MemoryLedger, MemoryStreams
from workers.consume import Consumer
from workers.grace import Grace
from workers.holding import Holding


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Heirlooms:
    """A reader whose transport is away the first time that it is asked for the work of the dead."""

    route = "generate"

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.times = 0

    async def join(self) -> None:
        return None

    async def new(self, most: int) -> Sequence[Delivery | Unreadable]:
        return ()

    async def inherited(self, most: int, lease_s: float) -> Sequence[Delivery | Unreadable]:
        self.times += 1
        self.asked.release()
        if self.times == 1:
            raise Transient("away")
        return ()

    async def leave(self) -> None:
        return None


class Looks:
    """Whether the route is paused, which each look for heirlooms asks first."""

    def __init__(self) -> None:
        self._asked = asyncio.Semaphore(0)

    def __call__(self) -> bool:
        self._asked.release()
        return False

    async def several(self) -> None:
        self._asked = asyncio.Semaphore(0)
        for _ in range(4):
            await self._asked.acquire()


async def test_nothing_is_inherited_for_a_lease_after_the_transport_was_away() -> None:
    clock, reader, looks, stop = Clock(), Heirlooms(), Looks(), asyncio.Event()
    grace = Grace(30.0, clock)
    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0))
    consumer = Consumer(reader, held.ack, MemoryLedger(), held, slots=1, lease_s=0.01, grace=grace, paused=looks)
    task = asyncio.create_task(consumer.inherit(stop))
    await reader.asked.acquire()
    await looks.several()
    assert (reader.times, grace.lasts()) == (1, True)
    clock.now += 31.0
    await reader.asked.acquire()
    assert not grace.lasts()
    stop.set()
    await task


def test_a_grace_that_begins_again_lasts_from_then_on() -> None:
    clock = Clock()
    grace = Grace(3.0, clock)
    assert not grace.lasts()
    grace.begin()
    clock.now += 2.0
    grace.begin()
    clock.now += 2.0
    assert grace.lasts()
    clock.now += 2.0
    assert not grace.lasts()
