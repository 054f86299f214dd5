"""The thread in which a jobs process does its work: RQ needs the main one for its signals."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Desk(Protocol):
    """What stands in the office while it is open."""

    async def run(self, job: str, /) -> None: ...


class Office:
    """An event loop with its engines, open as long as the block lasts. Raises what opening it raises."""

    def __init__(self, open_desk: Callable[[asyncio.Event], AbstractAsyncContextManager[Desk]]) -> None:
        self._open_desk = open_desk
        self._opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, Desk]] = Future()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="office", daemon=True)

    def __enter__(self) -> Office:
        self._thread.start()
        self._opened.result()
        return self

    def __exit__(self, *error: object) -> None:
        loop, _, _ = self._opened.result()
        self.stop()
        loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def work(self, job: str) -> None:
        """Do a job to its end, or until told to stop."""
        loop, _, desk = self._opened.result()
        asyncio.run_coroutine_threadsafe(_as_coroutine(desk.run(job)), loop).result()

    def stop(self) -> None:
        """Whatever is under way is handed back. May be called by a signal handler."""
        loop, stop, _ = self._opened.result()
        loop.call_soon_threadsafe(stop.set)

    async def _live(self) -> None:
        stop = asyncio.Event()
        try:
            async with self._open_desk(stop) as desk:
                self._opened.set_result((asyncio.get_running_loop(), stop, desk))
                await self._closing.wait()
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
