"""One route in one worker: reads as many entries as it has free slots, and inherits those of the dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from agent.errors import Transient
from agent.ports import Delivery, Ledger, Reader, Unreadable
from agent.telemetry import metrics
from workers.grace import Grace
from workers.holding import Holding

log = structlog.get_logger(__name__)

LAPSE_S = 0.005
"""Beyond a lease, so that it is over when its entry is taken over."""

AWAY_S = 0.5
"""How long to leave a transport alone that does not answer."""

PAUSED_S = 0.1
"""How long to wait before asking again whether the route is still paused."""


class Consumer:
    """Runs `handle` for the entries of one route, at most `slots` at once; takes none while the route is `paused`.

    While it is `resting` it reads nothing new, and still takes over what the dead left: that waits long enough already.
    """

    def __init__(
        self,
        reader: Reader,
        handle: Callable[[Delivery], Awaitable[None]],
        ledger: Ledger,
        streams: Holding,
        *,
        slots: int,
        lease_s: float,
        grace: Grace,
        paused: Callable[[], bool] = lambda: False,
        resting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._paused = paused
        self._resting = resting
        self._reader = reader
        self._handle = handle
        self._ledger = ledger
        self._streams = streams
        self._slots = slots
        self._lease_s = lease_s
        self._grace = grace
        self._held: dict[str, asyncio.Task[None]] = {}
        self.joined = asyncio.Event()
        """Set once the route's group is there: from now on nothing that is published passes by unseen."""

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop; what is being worked on then goes on."""
        while not (stop.is_set() or self.joined.is_set()):
            await self._until_away(self._join)
        while not stop.is_set():
            if self._paused() or self._resting():
                await _wait(stop, PAUSED_S)
                continue
            free = self._slots - len(self._held)
            if free <= 0:
                await self._a_free_slot(stop)
                continue
            await self._until_away(lambda free=free: self._start(self._reader.new(free)))  # type: ignore[misc]

    async def inherit(self, stop: asyncio.Event) -> None:
        """Take over what workers left that were not heard of for a lease, until told to stop."""
        while not stop.is_set():
            free = self._slots - len(self._held)
            if free > 0 and not (self._paused() or self._grace.lasts()):
                await self._until_away(lambda free=free: self._start(self._inherited(free)))  # type: ignore[misc]
            await _wait(stop, self._lease_s / 3)

    async def drain(self, within_s: float) -> None:
        """Give what is being worked on `within_s` to end."""
        if self._held:
            await asyncio.wait(self._held.values(), timeout=within_s)

    async def leave(self) -> None:
        """Break off what is still being worked on, which then comes back to others as after a crash."""
        left = list(self._held.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._until_away(self._reader.leave)

    async def _join(self) -> None:
        await self._reader.join()
        self.joined.set()

    async def _inherited(self, free: int) -> Sequence[Delivery | Unreadable]:
        silent = await self._reader.inherited(free, self._lease_s + LAPSE_S)
        found = [delivery for delivery in silent if delivery.entry not in self._held]  # our own heart may be late
        if found:
            metrics.TAKE_OVERS.labels(self._reader.route).inc(len(found))
            log.warning("taken_over", route=self._reader.route, entries=[delivery.entry for delivery in found])
        return found

    async def _a_free_slot(self, stop: asyncio.Event) -> None:
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({*self._held.values(), stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()

    async def _start(self, found: Awaitable[Sequence[Delivery | Unreadable]]) -> None:
        for delivery in await found:
            if delivery.entry not in self._held:
                task = asyncio.create_task(self._one(delivery))
                self._held[delivery.entry] = task
                task.add_done_callback(lambda _, entry=delivery.entry: self._held.pop(entry, None))  # type: ignore[misc]

    async def _one(self, delivery: Delivery | Unreadable) -> None:
        """Raises nothing but cancellation: an entry whose handling failed stays pending, and comes back."""
        with structlog.contextvars.bound_contextvars(**_about(delivery)):
            try:
                await self._work_on(delivery)
            except Transient as error:
                log.warning("delivery_left_pending", entry=delivery.entry, error=str(error))
            except Exception:
                log.exception("delivery_failed", entry=delivery.entry)
            finally:
                if isinstance(delivery, Delivery):
                    self._streams.forget(delivery)

    async def _work_on(self, delivery: Delivery | Unreadable) -> None:
        if isinstance(delivery, Delivery):
            await self._handle(delivery)
            return
        log.error("unreadable_entry", entry=delivery.entry, reason=delivery.reason)
        await self._ledger.bury_unreadable(delivery)
        await self._streams.ack(delivery)

    async def _until_away(self, act: Callable[[], Awaitable[object]]) -> None:
        try:
            await act()
        except Transient as error:
            log.warning("transport_away", route=self._reader.route, error=str(error))
            self._grace.begin()
            await asyncio.sleep(AWAY_S)


def _about(delivery: Delivery | Unreadable) -> dict[str, str]:
    """What every log line of a delivery says. `event` would not do: structlog keeps its own message under that name."""
    if isinstance(delivery, Unreadable):
        return {"route": delivery.route}
    pointer = delivery.pointer
    return {
        "run": pointer.run,
        "event_id": str(pointer.key),
        "route": pointer.route,
        "trace": pointer.trace_id,
    }


async def _wait(event: asyncio.Event, at_most_s: float) -> None:
    try:
        async with asyncio.timeout(at_most_s):
            await event.wait()
    except TimeoutError:
        return
