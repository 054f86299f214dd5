"""A worker process: a consumer per route, the relay, and an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from agent.errors import Transient
from agent.outcome import Outcome
from agent.ports import Begun, Call, Delivery, Ledger, NewRun, Pointer, Transport, Unreadable
from workers.consume import Consumer
from workers.decide import Decider
from workers.handle import handle
from workers.relay import Relay

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Persistent:
    """A ledger whose writes wait for the database to come back: a paid answer in hand is not thrown away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def begin(self, delivery: Delivery, /) -> Begun | None:
        return await self._ledger.begin(delivery)

    async def intend(self, begun: Begun, call: Call, /) -> None:
        await self._ledger.intend(begun, call)

    async def record(self, begun: Begun, /) -> None:
        await _insist(partial(self._ledger.record, begun))

    async def commit(self, begun: Begun, outcome: Outcome, /) -> bool:
        try:
            return await _insist(partial(self._ledger.commit, begun, outcome))
        except asyncio.CancelledError:
            log.error("outcome_lost", run=begun.pointer.run, calls=len(begun.calls))
            raise

    async def open(self, new: NewRun, /) -> None:
        await self._ledger.open(new)

    async def published(self, entries: Mapping[Pointer, str], /) -> None:
        await self._ledger.published(entries)

    async def bury_unreadable(self, unreadable: Unreadable, /) -> None:
        await self._ledger.bury_unreadable(unreadable)


async def _insist(act: Callable[[], Awaitable[T]]) -> T:
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Transient), wait=wait_random_exponential(multiplier=0.1, max=5), reraise=True
    )
    return await retrying(act)


class Worker:
    """Consumes the given routes until `stop` is set, then drains for at most `drain_s`."""

    def __init__(
        self,
        decider: Decider,
        ledger: Ledger,
        streams: Transport,
        relay: Relay,
        *,
        routes: Sequence[str],
        slots: int,
        lease_s: float,
        drain_s: float,
    ) -> None:
        self._relay = relay
        self._drain_s = drain_s
        deliver = partial(handle, decide=decider, ledger=ledger, streams=streams)
        self._consumers = [
            Consumer(streams.reader(route), deliver, ledger, streams, slots=slots, lease_s=lease_s) for route in routes
        ]

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`, then let work end and hand the rest over; `ready` is told when work can come."""
        done = asyncio.Event()
        telling = asyncio.create_task(self._tell(ready))
        keepers = [asyncio.create_task(consumer.keep(stop, done)) for consumer in self._consumers]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._relay.run(stop))
                for consumer in self._consumers:
                    tasks.create_task(consumer.run(stop))
            await asyncio.gather(*(consumer.drain(self._drain_s) for consumer in self._consumers))
        finally:
            telling.cancel()
            done.set()
            await asyncio.gather(*keepers, return_exceptions=True)

    async def _tell(self, ready: Callable[[], None]) -> None:
        for consumer in self._consumers:
            await consumer.joined.wait()
        ready()
