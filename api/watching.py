"""Runs that somebody watches closely: one query for all of them, a few times a second, and none where nobody does.

A ring of the doorbell at every event would be quicker, and cost every run a round trip at each hop, watched or not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from agent.errors import Transient
from agent.ports import Place, Shelf
from api.patience import Sleep

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

WATCH_S = 0.25


class Watch:
    """Tells `wake` of the watched runs that stand where they did not stand at the look before."""

    def __init__(self, shelf: Shelf, wake: Callable[[Iterable[str]], None], sleep: Sleep) -> None:
        self._shelf = shelf
        self._wake = wake
        self._sleep = sleep
        self._watched: Counter[str] = Counter()
        self._somebody = asyncio.Event()
        self._places: Mapping[str, Place] = {}

    @contextmanager
    def over(self, run: str) -> Iterator[None]:
        """Watch a run for as long as the block lasts."""
        self._watched[run] += 1
        self._somebody.set()
        try:
            yield
        finally:
            self._watched -= Counter([run])
            if not self._watched:
                self._somebody.clear()

    def again(self, run: str) -> None:
        """Whoever was woken for the run could not see it: wake them once more after the next look."""
        self._places = {watched: place for watched, place in self._places.items() if watched != run}

    async def keep_looking(self) -> None:
        """Look, until cancelled."""
        while True:
            await self._somebody.wait()
            await self._sleep(WATCH_S)
            try:
                await self._look()
            except Exception as error:  # this loop must outlive whatever the store does
                log.warning("watch_failed", error=str(error), exc_info=not isinstance(error, Transient))

    async def _look(self) -> None:
        watched = list(self._watched)
        places = await self._shelf.places(watched)
        before, self._places = self._places, places
        self._wake(run for run in watched if run not in before or places.get(run) != before[run])
