"""A worker process: a consumer per route, what it does beside them, and an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from agent.ports import Ledger, Transport
from workers.consume import Consumer
from workers.decide import Decider
from workers.handle import handle

log = structlog.get_logger(__name__)

Chore = Callable[[asyncio.Event], Awaitable[None]]
"""Something a worker does beside its work, such as the relay's sweeps, until the event is set."""


class Worker:
    """Consumes the given routes, but for those that are `paused`, until `stop` is set, then drains for at most
    `drain_s`."""

    def __init__(
        self,
        decider: Decider,
        ledger: Ledger,
        streams: Transport,
        *,
        routes: Sequence[str],
        slots: int,
        lease_s: float,
        drain_s: float,
        chores: Sequence[Chore] = (),
        paused: Callable[[str], bool] = lambda route: False,
    ) -> None:
        self._chores = chores
        self._drain_s = drain_s
        deliver = partial(handle, decide=decider, ledger=ledger, streams=streams)
        self._consumers = [
            Consumer(
                streams.reader(route),
                deliver,
                ledger,
                streams,
                slots=slots,
                lease_s=lease_s,
                paused=partial(paused, route),
            )
            for route in routes
        ]

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`, then let work end and hand the rest over; `ready` is told when work can come."""
        done = asyncio.Event()
        telling = asyncio.create_task(self._tell(ready))
        keepers = [asyncio.create_task(consumer.keep(stop, done)) for consumer in self._consumers]
        try:
            async with asyncio.TaskGroup() as tasks:
                for chore in self._chores:
                    tasks.create_task(_beside(chore, stop))
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


async def _beside(chore: Chore, stop: asyncio.Event) -> None:
    await chore(stop)
