"""The sweep: what the ledger holds and the streams do not is published, ended or fed from here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from agent.envelope import unseal
from agent.errors import AgentError, Transient
from agent.events import Event
from agent.ports import FeedRow, Sweeps, Swept, Transport
from agent.privacy import Privacy
from agent.telemetry import metrics
from workers.recover import Recovery

log = structlog.get_logger(__name__)

FEED_EVERY_S = 0.1
RING_S = 1.0
AGAIN_S = 0.05
SHARE_OF_TIME = 4
"""Where work is held back the next sweep comes sooner, and no sweeping takes more than a fifth of the time."""
PURGED_AT_ONCE = 200
"""Runs whose texts are removed in one transaction."""


class Relay:
    """Any number of them may run. Everything that it does is harmless when it is done twice."""

    def __init__(
        self,
        sweeps: Sweeps,
        streams: Transport,
        types: Mapping[str, type[Event]],
        recovery: Recovery,
        privacy: Privacy,
        *,
        every_s: float,
        look_s: float,
        feed_retention_s: int,
        purge_grace_s: float,
    ) -> None:
        self._sweeps = sweeps
        self._streams = streams
        self._types = types
        self._recovery = recovery
        self._privacy = privacy
        self._every_s = every_s
        self._look_s = look_s
        self._feed_retention_s = feed_retention_s
        self._purge_grace_s = purge_grace_s

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until told to stop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_repeat(stop, self._every_s, self._recovery.sweep))
            tasks.create_task(_repeat(stop, self._every_s, self.publish_due))
            tasks.create_task(_repeat(stop, self._every_s, self.end_overdue))
            tasks.create_task(_repeat(stop, self._every_s, self.purge))
            tasks.create_task(_repeat(stop, self._look_s, self.look_for))
            tasks.create_task(_repeat(stop, FEED_EVERY_S, self.feed))

    async def publish_due(self) -> float | None:
        """Seconds until it should be done again, where projects have more to do than may wait in the streams."""
        began = time.monotonic()
        swept = await self._sweeps.publish_due(self._streams.publish_all, self._every_s)
        if swept.published:
            metrics.PUBLISHED_AGAIN.inc(swept.published)
            log.info("published_by_relay", count=swept.published)
        return _again_s(swept, time.monotonic() - began)

    async def look_for(self) -> None:
        lost = await self._sweeps.look_for(self._recovery.missing, self._look_s)
        if lost:
            log.warning("entries_lost", count=lost)

    async def end_overdue(self) -> None:
        late = await self._sweeps.end_overdue()
        for it in late:
            metrics.RUNS.labels(it.agent, "failed").inc()
            log.warning("run_overdue", run=it.pointer.run, trace=it.pointer.trace_id)
        with suppress(TimeoutError):  # a bell that is not heard costs its waiters a second, and the next sweep nothing
            async with asyncio.timeout(RING_S):
                await asyncio.gather(*(self._streams.ended(it.pointer.run) for it in late))

    async def purge(self) -> None:
        while count := await self._privacy.purge(self._purge_grace_s, PURGED_AT_ONCE):
            log.info("texts_purged", runs=count)

    async def feed(self) -> None:
        while await self._sweeps.copy_feed(self._write):
            pass

    async def _write(self, rows: Sequence[FeedRow]) -> None:
        """By the ledger's clock: a relay on a host whose clock is ahead would throw the feed away."""
        oldest = int((max(row.envelope.at.timestamp() for row in rows) - self._feed_retention_s) * 1000)
        await self._streams.feed([fact(row, self._types) for row in rows], oldest)


def fact(row: FeedRow, types: Mapping[str, type[Event]]) -> dict[str, str]:
    """An event as the feed tells it: ids and metadata, no text. An event that is unknown here keeps its ids."""
    key, sealed = row.envelope.key, row.envelope.sealed
    told = {
        "id": str(key),
        "run": key.run,
        "generation": str(key.generation),
        "seq": str(key.seq),
        "type": sealed.type,
        "version": str(sealed.version),
        "project": row.project,
        "agent": sealed.agent,
        "trace": sealed.trace,
        "at": row.envelope.at.isoformat(),
    }
    try:
        return {**unseal(sealed, types).public(), **told}
    except AgentError:
        return told


def _again_s(swept: Swept, took_s: float) -> float | None:
    """Where nobody takes what stands in the streams, there is less of a hurry."""
    soon_s = AGAIN_S if swept.published else 4 * AGAIN_S
    return max(soon_s, SHARE_OF_TIME * took_s) if swept.more else None


async def _repeat(stop: asyncio.Event, every_s: float, act: Callable[[], Awaitable[float | None]]) -> None:
    """`act` may say that it should be done again sooner."""
    while not stop.is_set():
        again_s: float | None = None
        try:
            again_s = await act()
        except Transient as error:
            log.warning("sweep_failed", sweep=getattr(act, "__qualname__", "?"), error=str(error))
        except Exception:
            log.exception("sweep_broke", sweep=getattr(act, "__qualname__", "?"))
        try:
            async with asyncio.timeout(every_s if again_s is None else min(again_s, every_s)):
                await stop.wait()
        except TimeoutError:
            continue
