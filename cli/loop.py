"""Running a coroutine until it ends or a signal asks it to."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on the fast loop."""
    return uvloop.run(main)


def run_until_stopped(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run with an event that SIGINT and SIGTERM set; a second signal ends the process as usual."""
    early: list[int] = []

    async def guarded() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, _stop_once, loop, stop, number)
        for one in dict.fromkeys(early):
            _stop_once(loop, stop, one)
        await main(stop)

    for number in SIGNALS:  # a KeyboardInterrupt that is raised in a finalizer, as of the collection below, is lost
        signal.signal(number, lambda it, _: early.append(it))
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no collection need look at it again, and hold up the loop for that
    uvloop.run(guarded())


def _stop_once(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, number: int) -> None:
    stop.set()
    loop.remove_signal_handler(number)
