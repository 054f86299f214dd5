"""A worker process: a consumer per route, what it does beside them, and an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from agent.outcome import Outcome
from agent.ports import Begun, Heartbeat, Ledger, Transport
from workers.closing import Closing
from workers.consume import Consumer
from workers.decide import Decider
from workers.grace import Grace
from workers.handle import handle
from workers.holding import Holding

HAND_OVER_S = 5.0
"""How long a stopping worker tries to hand over what it could not end."""

log = structlog.get_logger(__name__)

Chore = Callable[[asyncio.Event], Awaitable[None]]
"""Something a worker does beside its work, such as the relay's sweeps, until the event is set."""


class Worker:
    """Consumes the given routes, but for those that are `paused` or `resting`, until `stop` is set.

    Then it drains for at most `drain_s`.
    """

    def __init__(
        self,
        decider: Decider,
        ledger: Ledger,
        streams: Transport,
        heartbeat: Heartbeat,
        *,
        routes: Sequence[str],
        slots: int,
        lease_s: float,
        drain_s: float,
        chores: Sequence[Chore] = (),
        paused: Callable[[str], bool] = lambda route: False,
        resting: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:
        self._chores = chores
        self._drain_s = drain_s
        self._heartbeat = heartbeat
        self._pacing = decider.pacing
        self._closing = Closing(decider)
        self._held = Holding(streams, heartbeat, decider.max_deliveries, ledger.deliveries)
        self.grace = Grace(lease_s)
        deliver = partial(handle, decide=self._decide, ledger=ledger, streams=self._held)
        self._consumers = [
            Consumer(
                streams.reader(route),
                deliver,
                ledger,
                self._held,
                slots=slots,
                lease_s=lease_s,
                grace=self.grace,
                paused=partial(paused, route),
                resting=(resting or {}).get(route, lambda: False),
            )
            for route in routes
        ]

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop`, then let work end and hand the rest over; `ready` is told when work can come."""
        done = asyncio.Event()
        telling = asyncio.create_task(self._tell(ready))
        await self._heartbeat.start()
        keeping = [asyncio.create_task(keep(done)) for keep in (self._heartbeat.keep, self._pacing.run)]
        try:
            async with asyncio.TaskGroup() as tasks:
                for chore in self._chores:
                    tasks.create_task(_beside(chore, stop))
                for consumer in self._consumers:
                    tasks.create_task(consumer.run(stop))
                    tasks.create_task(consumer.inherit(stop))
            await self._leave()
        finally:
            telling.cancel()
            done.set()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def _leave(self) -> None:
        """Let work end, hand over what does not, and go."""
        await asyncio.gather(*(consumer.drain(self._drain_s) for consumer in self._consumers))
        if left := self._closing.close():
            log.warning("handing_over", deliveries=left)
        await asyncio.gather(*(consumer.drain(HAND_OVER_S) for consumer in self._consumers))
        await asyncio.gather(*(consumer.leave() for consumer in self._consumers))

    async def _decide(self, begun: Begun) -> Outcome | None:
        self._held.bound(begun)
        return await self._closing(begun)

    async def _tell(self, ready: Callable[[], None]) -> None:
        for consumer in self._consumers:
            await consumer.joined.wait()
        ready()


async def _beside(chore: Chore, stop: asyncio.Event) -> None:
    await chore(stop)
