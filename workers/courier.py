"""Tells endpoints of endings: what is due is taken from the ledger, sent, and put on record."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from agent.errors import Transient
from agent.telemetry import metrics
from agent.webhooks import Outgoing, Parcel, Receipt, backoff_s

log = structlog.get_logger(__name__)

EACH = 8
"""So many at once to one endpoint: a slow one must not take every slot."""
RECORD_TRIES = 3
STOP_S = 1.0
"""What is under way at a stop gets so long: what the process works on besides is not to wait for a slow endpoint."""

Send = Callable[[Parcel], Awaitable[Receipt]]


class Courier:
    """Any number may run: each takes what no other holds. What was sent and not put on record is sent again, under the
    same id, when its lease is over."""

    def __init__(
        self,
        outgoing: Outgoing,
        send: Send,
        *,
        slots: int,
        every_s: float,
        lease_s: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._outgoing = outgoing
        self._send = send
        self._slots = slots
        self._every_s = every_s
        self._lease_s = lease_s
        self._draw = draw
        self._under_way: dict[asyncio.Task[None], Parcel] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop. What takes longer then is broken off, and sent again when its lease is over."""
        while not stop.is_set():
            try:
                taken = await self.take()
            except Transient as error:
                taken = 0
                log.warning("sweep_failed", sweep="webhooks", error=str(error))
            except Exception:
                taken = 0
                log.exception("sweep_broke", sweep="webhooks")
            if not taken:
                await _pause(stop, self._every_s)
        await self._leave()

    async def take(self) -> int:
        """Take what is due and begin to send it; how many that were. Raises `Transient`."""
        free = self._slots - len(self._under_way)
        if free <= 0:
            return 0
        parcels = await self._outgoing.claim(self._lease_s, free, EACH, self._busy())
        for parcel in parcels:
            task = asyncio.create_task(self._deliver(parcel))
            self._under_way[task] = parcel
            task.add_done_callback(self._under_way.pop)
        return len(parcels)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _leave(self) -> None:
        left = list(self._under_way)
        if left:
            _, slow = await asyncio.wait(left, timeout=STOP_S)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    def _busy(self) -> list[str]:
        """Endpoints that have enough under way; where the last attempt failed, one is enough."""
        counts = Counter(parcel.webhook for parcel in self._under_way.values())
        failing = {parcel.webhook for parcel in self._under_way.values() if parcel.failing}
        return sorted(failing | {webhook for webhook, count in counts.items() if count >= EACH})

    async def _deliver(self, parcel: Parcel) -> None:
        try:
            receipt = await self._send(parcel)
            await self._record(parcel, receipt)
        except Exception:
            log.exception("webhook_broke", webhook=parcel.webhook, event_id=parcel.event)

    async def _record(self, parcel: Parcel, receipt: Receipt) -> None:
        state = await self._patiently(parcel, receipt, backoff_s(parcel.tries, self._draw()))
        metrics.WEBHOOKS.labels(receipt.error or "delivered").inc()
        told = {"webhook": parcel.webhook, "event_id": parcel.event, "attempt": parcel.number, "status": receipt.status}
        if receipt.arrived:
            log.debug("webhook_delivered", **told)
        else:
            log.info("webhook_failed", **told, error=receipt.error, state=state)

    async def _patiently(self, parcel: Parcel, receipt: Receipt, delay_s: float) -> str | None:
        """Raises `Transient` if the ledger stays away: the lease brings the delivery back."""
        for tries_left in range(RECORD_TRIES - 1, 0, -1):
            try:
                return await self._outgoing.record(parcel, receipt, delay_s)
            except Transient as error:
                log.warning("webhook_unrecorded", event_id=parcel.event, tries_left=tries_left, error=str(error))
                await asyncio.sleep(self._every_s)
        return await self._outgoing.record(parcel, receipt, delay_s)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
