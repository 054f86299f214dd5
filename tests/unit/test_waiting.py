"""Waiting for endings: rings, lost rings, and transports that come and go. Time is held by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agent.errors import Transient
from agent.testing.memory import MemoryLedger
from api.waiting import Waiters, unless_gone


class HeldSleep:
    """Every sleep waits for `tick`; `begun` waits until so many more have begun."""

    def __init__(self) -> None:
        self._naps: asyncio.Queue[float] = asyncio.Queue()
        self._ticks: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, seconds: float) -> None:
        self._naps.put_nowait(seconds)
        await asyncio.sleep(0)  # whoever sleeps already has the next tick, not whoever has just had one
        await self._ticks.get()

    async def begun(self, naps: int) -> None:
        for _ in range(naps):
            await self._naps.get()

    def tick(self) -> None:
        self._ticks.put_nowait(None)


class Bell:
    """A doorbell whose rings, and failures to ring, the test puts in."""

    def __init__(self) -> None:
        self.registered: list[str] = []
        self.heard: asyncio.Queue[Sequence[str] | Exception] = asyncio.Queue()

    async def register(self, run: str, /) -> None:
        self.registered.append(run)

    async def rings(self) -> Sequence[str]:
        heard = await self.heard.get()
        if isinstance(heard, Exception):
            raise heard
        return heard

    async def ping(self) -> None:
        return None


class Shelf(MemoryLedger):
    """A shelf that knows which runs ended, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.over: set[str] = set()
        self.asked: list[list[str]] = []
        self.errors: list[Exception] = []

    async def ended(self, runs: Sequence[str], /) -> Sequence[str]:
        self.asked.append(sorted(runs))
        if self.errors:
            raise self.errors.pop()
        return [run for run in runs if run in self.over]


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def nap() -> HeldSleep:
    return HeldSleep()


@pytest.fixture
def waiters(bell: Bell, shelf: Shelf, nap: HeldSleep) -> Waiters:
    return Waiters(bell, shelf, nap)


async def test_a_ring_wakes_everybody_who_waits_for_that_run_and_nobody_else(waiters: Waiters, bell: Bell) -> None:
    async with waiters.running(), waiters.expect("a") as one, waiters.expect("a") as two, waiters.expect("b") as other:
        bell.heard.put_nowait(["a", "unknown"])
        await asyncio.gather(one.wait(), two.wait())
        assert not other.is_set()
    assert bell.registered == ["a", "a", "b"]


async def test_a_lost_ring_is_found_by_one_look_for_all_waiters(waiters: Waiters, shelf: Shelf, nap: HeldSleep) -> None:
    shelf.over = {"a", "b"}
    async with waiters.running(), waiters.expect("a") as one, waiters.expect("b") as two, waiters.expect("c") as other:
        nap.tick()
        await asyncio.gather(one.wait(), two.wait())
        assert not other.is_set()
    assert shelf.asked == [["a", "b", "c"]]


async def test_nobody_waiting_means_no_look(waiters: Waiters, shelf: Shelf, nap: HeldSleep) -> None:
    async with waiters.running():
        nap.tick()
        await nap.begun(2)
    assert shelf.asked == []


@pytest.mark.parametrize("error", [Transient("away"), RuntimeError("a bug")])
async def test_the_listening_outlives_whatever_the_doorbell_does(
    waiters: Waiters, bell: Bell, nap: HeldSleep, error: Exception
) -> None:
    async with waiters.running(), waiters.expect("a") as waiter:
        bell.heard.put_nowait(error)
        bell.heard.put_nowait(["a"])
        await nap.begun(2)
        assert not waiter.is_set()  # it backs off instead of spinning
        nap.tick()
        nap.tick()
        await waiter.wait()


@pytest.mark.parametrize("error", [Transient("away"), RuntimeError("a bug")])
async def test_the_looking_outlives_whatever_the_store_does(
    waiters: Waiters, shelf: Shelf, nap: HeldSleep, error: Exception
) -> None:
    shelf.over, shelf.errors = {"a"}, [error]
    async with waiters.running(), waiters.expect("a") as waiter:
        nap.tick()
        nap.tick()
        await waiter.wait()
    assert len(shelf.asked) == 2


async def test_a_doorbell_out_of_reach_keeps_nobody_from_waiting(shelf: Shelf, nap: HeldSleep) -> None:
    class Away(Bell):
        async def register(self, run: str, /) -> None:
            raise Transient("away")

    waiters = Waiters(Away(), shelf, nap)
    shelf.over = {"a"}
    async with waiters.running(), waiters.expect("a") as waiter:
        nap.tick()
        await waiter.wait()


async def test_a_waiter_is_forgotten_however_it_leaves(waiters: Waiters) -> None:
    async with waiters.expect("a"):
        with pytest.raises(KeyError):
            async with waiters.expect("b"):
                raise KeyError
        assert waiters.waiting == ["a"]
    assert waiters.waiting == []


async def test_work_is_cancelled_when_its_client_hangs_up() -> None:
    cancelled: list[bool] = []

    async def work() -> int:
        try:
            return await asyncio.Future[int]()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    assert await unless_gone(work(), receive) is None
    assert cancelled == [True]


async def test_work_that_fails_says_so_to_its_client() -> None:
    async def work() -> int:
        raise KeyError("no")

    async def receive() -> dict[str, Any]:
        return await asyncio.Future[dict[str, Any]]()

    with pytest.raises(KeyError):
        await unless_gone(work(), receive)
