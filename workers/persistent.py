"""A ledger whose writes wait for the database to come back: a paid answer in hand is not thrown away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from agent.errors import Transient
from agent.outcome import Outcome
from agent.ports import Begun, Call, Delivery, Ledger, NewRun, Pointer, Streams, Unreadable
from workers.announce import announce
from workers.spill import Spill, Spilled

T = TypeVar("T")

log = structlog.get_logger(__name__)

ADOPT_EVERY_S = 10.0


class Persistent:
    """See `Ledger`. What is finished and cannot be written is spilled to disk, and tried again until it is written.

    A process that ends meanwhile leaves the file to its heir: `adopt` brings such files to the ledger. That is done
    before anything is begun: the work may be the very one whose answer lies there, paid for.
    """

    def __init__(self, ledger: Ledger, spill: Spill, streams: Streams) -> None:
        self._ledger = ledger
        self._spill = spill
        self._streams = streams
        self._adopting = asyncio.Lock()

    async def begin(self, delivery: Delivery, /) -> Begun | None:
        if self._spill.of_others():
            await self.adopt()
        return await self._ledger.begin(delivery)

    async def carries(self, delivery: Delivery, /) -> bool:
        return await self._ledger.carries(delivery)

    async def deliveries(self, delivery: Delivery, /) -> int:
        return await self._ledger.deliveries(delivery)

    async def intend(self, begun: Begun, call: Call, /) -> None:
        await self._ledger.intend(begun, call)

    async def moved_on(self, held: Sequence[Begun], /) -> frozenset[str]:
        return await self._ledger.moved_on(held)

    async def record(self, begun: Begun, /) -> None:
        if begun.calls:
            await self._insist(begun, None, partial(self._ledger.record, begun))

    async def commit(self, begun: Begun, outcome: Outcome, /) -> bool:
        return await self._insist(begun, outcome, partial(self._ledger.commit, begun, outcome))

    async def hand_back(self, begun: Begun, /) -> bool:
        return await self._ledger.hand_back(begun)

    async def open(self, new: NewRun, /) -> str:
        return await self._ledger.open(new)

    async def published(self, entries: Mapping[Pointer, str], /) -> None:
        await self._ledger.published(entries)

    async def bury_unreadable(self, unreadable: Unreadable, /) -> None:
        await self._ledger.bury_unreadable(unreadable)

    async def adopt(self) -> int:
        """Bring what dead workers left on this disk to the ledger; how many there were. Raises `Transient`.

        A disk that fails is told in the log and holds up nothing.
        """
        async with self._adopting:
            try:
                orphans = await asyncio.to_thread(self._spill.orphans)
                for orphan in orphans:
                    await self._bring(orphan)
                    orphan.path.unlink(missing_ok=True)
            except OSError:
                log.exception("spill_directory_fails")
                return 0
            return len(orphans)

    async def keep_adopting(self, stop: asyncio.Event) -> None:
        """Adopt again and again until told to stop: a neighbour may die at any time."""
        while not stop.is_set():
            try:
                await self.adopt()
            except Transient as error:
                log.warning("adoption_postponed", error=str(error))
            try:
                async with asyncio.timeout(ADOPT_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def _bring(self, orphan: Spilled) -> None:
        begun, outcome, won = orphan.begun, orphan.outcome, False
        if outcome is None:
            await self._ledger.record(begun)
        elif won := await self._ledger.commit(begun, outcome):
            await announce(begun.pointer, outcome, self._streams)
        at = begun.pointer
        log.warning("spill_adopted", run=at.run, trace=at.trace_id, settled=won, calls=len(begun.calls))

    async def _insist(self, begun: Begun, outcome: Outcome | None, write: Callable[[], Awaitable[T]]) -> T:
        try:
            return await write()
        except Transient as error:
            path = await asyncio.to_thread(self._spill.keep, begun, outcome)
            log.warning("ledger_away", run=begun.pointer.run, spilled=path is not None, error=str(error))
        try:
            written = await _until_back(write)
        except asyncio.CancelledError:
            log.warning("outcome_left_on_disk" if path else "outcome_lost", run=begun.pointer.run)
            raise
        _forget(path)
        return written


async def _until_back(write: Callable[[], Awaitable[T]]) -> T:
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Transient), wait=wait_random_exponential(multiplier=0.1, max=5), reraise=True
    )
    return await retrying(write)


def _forget(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)
