"""Work that must not hold up the event loop: done in a thread of its own, and no longer than it may take."""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from agent.errors import Transient

T = TypeVar("T")


class TooSlow(Transient):
    """It took longer than it may. A machine may have been busy, so it is tried again, as often as a bug."""

    kind = "too_slow"


async def beside(work: Callable[[], T], *, most_s: float, what: str) -> T:
    """What `work` brings. Raises what it raises, and `TooSlow` after `most_s` seconds; `what` names it in that error.

    Work that is not waited for any more is broken off where Python can do that: not inside a call that holds the
    interpreter, such as a pattern of `re` that runs away. A worker that is held by one ends itself (`workers.blocked`).
    """
    thread = _Thread(work, asyncio.get_running_loop())
    thread.start()
    try:
        async with asyncio.timeout(most_s):
            return await thread.brought
    except TimeoutError:
        if thread.brought.done() and not thread.brought.cancelled():
            raise  # the work's own
        raise TooSlow(f"{what} took longer than {most_s:g} s") from None
    finally:
        thread.break_off()


class _BrokenOff(BaseException):
    """Not an `Exception`: code that catches those must end as well."""


class _Thread(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="beside", daemon=True)  # a thread that nobody can end must not keep a process alive
        self._work = work
        self._loop = loop
        self._context = copy_context()
        self._ended = False
        self.brought: asyncio.Future[T] = loop.create_future()

    def run(self) -> None:
        try:
            brought = self._context.run(self._work)
        except _BrokenOff:
            return
        except BaseException as error:
            self._tell(self._fail, error)
        else:
            self._tell(self._bring, brought)

    def break_off(self) -> None:
        if self.is_alive() and not self._ended and self.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), ctypes.py_object(_BrokenOff))

    def _tell(self, how: Callable[[Any], None], what: object) -> None:
        self._ended = True
        with suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(how, what)

    def _bring(self, brought: T) -> None:
        if not self.brought.done():
            self.brought.set_result(brought)

    def _fail(self, error: BaseException) -> None:
        if not self.brought.done():
            self.brought.set_exception(error)
