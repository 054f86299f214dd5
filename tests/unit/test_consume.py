"""A consumer by itself: what stands in the log lines of a delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from agent.adapters.streams.heartbeat import ProcessHeartbeat
from agent.adapters.streams.keys import Keys
from agent.errors import Transient
from agent.ports import Delivery, Pointer, Unreadable
from agent.testing import MemoryLedger, MemoryStreams
from workers.consume import Consumer
from workers.grace import Grace
from workers.holding import Holding

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DELIVERY = Delivery(Pointer("resp_1", 1, 2, "generate", 1, trace=TRACE), "1-0", "w")
SAID_BY_ALL = {
    "run": "resp_1",
    "event_id": "resp_1/1/2",
    "route": "generate",
    "trace": "0af7651916cd43dd8448eb211c80319c",
}


class Once:
    """A reader that hands out one delivery, and then has the consumer stop."""

    route = "generate"

    def __init__(self, delivery: Delivery | Unreadable, stop: asyncio.Event) -> None:
        self._left = [delivery]
        self._stop = stop

    async def join(self) -> None:
        return None

    async def new(self, most: int) -> Sequence[Delivery | Unreadable]:
        if not self._left:
            self._stop.set()
            await asyncio.sleep(0)
            return ()
        return [self._left.pop()]

    async def inherited(self, most: int, lease_s: float) -> Sequence[Delivery | Unreadable]:
        return ()

    async def leave(self) -> None:
        return None


async def lines(
    handle: Callable[[Delivery], Awaitable[None]], delivery: Delivery | Unreadable = DELIVERY
) -> list[dict[str, object]]:
    """What is logged while `delivery` is handled."""
    stop = asyncio.Event()
    reader = Once(delivery, stop)
    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0))
    consumer = Consumer(reader, handle, MemoryLedger(), held, slots=1, lease_s=1.0, grace=Grace(1.0))
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as found:
        await consumer.run(stop)
        await consumer.drain(60)
    return [dict(line) for line in found]


async def test_every_line_of_a_delivery_names_its_run_its_event_its_route_and_its_trace() -> None:
    async def handle(delivery: Delivery) -> None:
        structlog.get_logger().info("something_happened", answer=42)

    (line,) = await lines(handle)
    assert line == {**SAID_BY_ALL, "event": "something_happened", "answer": 42, "log_level": "info"}


async def test_a_failed_delivery_is_told_with_what_it_was_about() -> None:
    async def away(delivery: Delivery) -> None:
        raise Transient("the ledger is away")

    async def broken(delivery: Delivery) -> None:
        raise ZeroDivisionError

    for handle, event in ((away, "delivery_left_pending"), (broken, "delivery_failed")):
        (line,) = await lines(handle)
        assert line["event"] == event
        assert line.items() >= SAID_BY_ALL.items()


async def test_an_entry_that_cannot_be_read_is_told_with_its_route() -> None:
    async def never(delivery: Delivery) -> None:
        raise AssertionError("there is nothing to handle")

    (line,) = await lines(never, Unreadable("generate", "1-0", {"a": "b"}, "no pointer"))
    assert (line["event"], line["route"], line["entry"]) == ("unreadable_entry", "generate", "1-0")


class Late(Once):
    """Hands its delivery out, and then again and again, as one that its own worker's heart was late to renew."""

    def __init__(self, delivery: Delivery | Unreadable, stop: asyncio.Event) -> None:
        super().__init__(delivery, stop)
        self._first = delivery
        self._looks = 0

    async def new(self, most: int) -> Sequence[Delivery | Unreadable]:
        if not self._left:
            await self._stop.wait()
        return [self._left.pop()] if self._left else ()

    async def inherited(self, most: int, lease_s: float) -> Sequence[Delivery | Unreadable]:
        self._looks += not self._left
        if self._looks == 3:  # what the looks before have brought was dealt with
            self._stop.set()
        return [self._first] if not self._left else ()


async def test_what_a_worker_is_at_is_not_told_as_taken_over_from_itself() -> None:
    stop, handled = asyncio.Event(), list[str]()

    async def handle(delivery: Delivery) -> None:
        handled.append(delivery.entry)
        await stop.wait()

    reader = Late(DELIVERY, stop)
    held = Holding(MemoryStreams(), ProcessHeartbeat("redis://nowhere", Keys("t"), "w", 1.0))
    consumer = Consumer(reader, handle, MemoryLedger(), held, slots=2, lease_s=0.01, grace=Grace(1.0))
    with structlog.testing.capture_logs() as found:
        await asyncio.gather(consumer.run(stop), consumer.inherit(stop))
        await consumer.drain(60)
    assert handled == ["1-0"]
    assert [line["event"] for line in found] == []
