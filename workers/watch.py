"""Looking after what is being decided: nobody works on a run that was cancelled, or that went on elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from agent.errors import Transient
from agent.ports import Begun, Ledger

log = structlog.get_logger(__name__)

EVERY_S = 0.5
"""A call that is under way when its run is cancelled goes on for twice as long at most."""


@dataclass(slots=True)
class Watched:
    """A delivery that is being decided. `limit` is what breaks it off."""

    begun: Begun
    limit: asyncio.Timeout
    gone: bool = False
    looked_at: bool = False

    def break_off(self) -> None:
        self.gone = True
        if not self.limit.expired():  # it may be breaking off already, and what is being decided be slow to let go
            self.limit.reschedule(asyncio.get_running_loop().time())


class Watch:
    """Asks the ledger about all that this worker has been at for a while, in one query."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._held: dict[str, Watched] = {}

    @contextmanager
    def over(self, watched: Watched) -> Iterator[None]:
        """Look after a delivery for as long as the block lasts; its limit must be running."""
        self._held[watched.begun.token] = watched
        try:
            yield
        finally:
            del self._held[watched.begun.token]

    async def run(self, ledger: Ledger, stop: asyncio.Event) -> None:
        """Look again and again until told to stop."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(self._every_s):
                    await stop.wait()
            except TimeoutError:
                await self.look(ledger)

    async def look(self, ledger: Ledger) -> None:
        """One look. What began since the last one is left for the next: most deliveries are over by then."""
        known = [it for it in self._held.values() if it.looked_at]
        for it in self._held.values():
            it.looked_at = True
        try:
            moved = await ledger.moved_on([it.begun for it in known]) if known else frozenset()
        except Transient as error:
            log.warning("watch_blind", error=str(error))
            return
        for it in known:
            if it.begun.token in moved and it.begun.token in self._held:
                log.info("delivery_broken_off", run=it.begun.pointer.run, trace=it.begun.pointer.trace_id)
                it.break_off()
