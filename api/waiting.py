"""Calls that wait for runs: one registry per process, and loops that wake its waiters.

The doorbell is quick and may lose a ring; the look at the shelf, one query a second for all who wait, loses nothing.
Neither says how a run ended: whoever is woken reads the ledger, and may go on waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, nullcontext
from enum import Enum, auto
from typing import Any, Generic, TypeVar

import structlog
from starlette.types import Receive

from agent.errors import Transient
from agent.ports import Doorbell, Shelf
from api.patience import Sleep, leave, settle
from api.watching import Watch

T = TypeVar("T")
log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

LOOK_S = 1.0
"""A lost ring delays an answer by no more than this."""
BACK_OFF_S = 1.0


class Waiters:
    """Who waits for which run in this process. `sleep` is `asyncio.sleep`, or what a test holds."""

    def __init__(self, doorbell: Doorbell, shelf: Shelf, sleep: Sleep = asyncio.sleep) -> None:
        self._doorbell = doorbell
        self._shelf = shelf
        self._sleep = sleep
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._watch = Watch(shelf, self._wake, sleep)

    @property
    def waiting(self) -> list[str]:
        """The runs that somebody waits for."""
        return list(self._waiting)

    @asynccontextmanager
    async def expect(self, run: str, *, closely: bool = False) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever `run` seems to have ended; forgotten on the way out, whatever the way is.

        It is set at whatever happens to the run, if that is to be watched `closely`.
        The doorbell has been asked before this begins, and is not waited for: what is sent next travels along.
        """
        bell = asyncio.Event()
        self._waiting.setdefault(run, set()).add(bell)
        registering = asyncio.create_task(self._register(run))
        try:
            await asyncio.sleep(0)
            with self._watch.over(run) if closely else nullcontext():
                yield bell
        finally:
            leave([registering])
            self._forget(run, bell)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the loops going meanwhile."""
        loops = [asyncio.create_task(loop) for loop in (self._listen(), self._look(), self._watch.keep_looking())]
        try:
            yield
        finally:
            await settle(loops)

    def again(self, run: str) -> None:
        """Whoever watches the run closely could not see it just now."""
        self._watch.again(run)

    async def _register(self, run: str) -> None:
        try:
            await self._doorbell.register(run)
        except Transient as error:
            log.warning("doorbell_unreachable", error=str(error))  # the look finds the ending a little later

    def _forget(self, run: str, bell: asyncio.Event) -> None:
        bells = self._waiting[run]
        bells.discard(bell)
        if not bells:
            del self._waiting[run]

    def _wake(self, runs: Iterable[str]) -> None:
        for run in runs:
            for bell in self._waiting.get(run, ()):
                bell.set()

    async def _listen(self) -> None:
        while True:
            try:
                self._wake(await self._doorbell.rings())
            except Exception as error:  # this loop must outlive whatever the transport does
                log.warning("doorbell_failed", error=str(error), exc_info=not isinstance(error, Transient))
                await self._sleep(BACK_OFF_S)

    async def _look(self) -> None:
        while True:
            await self._sleep(LOOK_S)
            try:
                if self._waiting:
                    self._wake(await self._shelf.ended(self.waiting))
            except Exception as error:  # and this one whatever the store does
                log.warning("look_failed", error=str(error), exc_info=not isinstance(error, Transient))


class News(Enum):
    """What woke whoever watches over a waiting call."""

    ENDED = auto()
    GONE = auto()
    """The client has hung up."""
    CLOSING = auto()
    """This process is about to stop, and will not be there for the ending."""
    PULSE = auto()
    """Nothing, for as long as a pulse lasts."""


class Vigil(Generic[T]):
    """Work that a client waits for, and the client, watched together. The body must be read; `close` must be called."""

    def __init__(
        self, work: Coroutine[Any, Any, T], receive: Receive, closing: asyncio.Event, pulse_s: float, sleep: Sleep
    ) -> None:
        self._closing = asyncio.ensure_future(closing.wait())
        self._working = asyncio.ensure_future(work)
        self._leaving = asyncio.ensure_future(_leave(receive))
        self._pulse_s = pulse_s
        self._sleep = sleep

    def turn_to(self, work: Coroutine[Any, Any, T]) -> None:
        """What to watch over next, once the work before has ended."""
        self._working = asyncio.ensure_future(work)

    @property
    def left(self) -> bool:
        """Whether the client has hung up."""
        return self._leaving.done()

    async def news(self) -> News:
        """What happens next; a client that left is worth more than an ending, since nobody would read that."""
        pulse = asyncio.ensure_future(self._sleep(self._pulse_s))
        try:
            waited = (self._working, self._leaving, self._closing, pulse)
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leave([pulse])
        if self._leaving.done():
            return News.GONE
        if self._working.done():
            return News.ENDED
        return News.CLOSING if self._closing.done() else News.PULSE

    def result(self) -> T:
        """What the work brought, once it has ended. Raises what the work raised."""
        return self._working.result()

    async def close(self) -> None:
        """Stop watching."""
        await settle((self._working, self._leaving, self._closing))


async def unless_gone(work: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """What `work` brings; None if the client hangs up first, and then `work` is cancelled. The body must be read."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_leave(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        await settle((working, leaving))


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
