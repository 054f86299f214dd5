"""Limits on waiting that hold whatever the other side does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from agent.envelope import Envelope
from agent.errors import Transient
from agent.ports import Place, RunView, Shelf, StoredPassage

T = TypeVar("T")
Sleep = Callable[[float], Coroutine[Any, Any, None]]

AGAIN_S = 1.0
"""How long a cancelled task gets to end before it is cancelled once more."""


class Unanswered(Transient):
    """Nobody knows yet whether it was done."""

    kind = "unanswered"


async def within(seconds: float, work: Coroutine[Any, Any, T], sleep: Sleep) -> T:
    """What `work` brings. Raises `Unanswered` after `seconds`: `work` is cancelled then, and not waited for.

    A driver whose server is frozen does not even come back from being cancelled.
    """
    working, timer = asyncio.ensure_future(work), asyncio.ensure_future(sleep(seconds))
    try:
        await asyncio.wait((working, timer), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Unanswered(f"no answer within {seconds:g} s")
    finally:
        leave((working, timer))


def leave(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks; whatever becomes of them is nobody's concern."""
    for task in tasks:
        task.add_done_callback(_forget)
        task.cancel()


def beside(work: Coroutine[Any, Any, None]) -> None:
    """Have work done to its end without waiting for it; whatever becomes of it is nobody's concern."""
    task = asyncio.ensure_future(work)
    _BESIDE.add(task)  # the loop itself holds tasks only weakly
    task.add_done_callback(_BESIDE.discard)
    task.add_done_callback(_forget)


_BESIDE: set[asyncio.Future[None]] = set()


def _forget(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()


async def settle(tasks: Iterable[asyncio.Future[Any]], again_s: float = AGAIN_S) -> None:
    """Cancel tasks and wait until they have ended. A driver may swallow a cancellation: it is said again meanwhile."""
    left = set(tasks)
    while left:
        leave(left)
        _, left = await asyncio.wait(left, timeout=again_s)


class PatientShelf:
    """A shelf that is waited for no longer than `seconds` at a time. See `agent.ports.Shelf`."""

    def __init__(self, shelf: Shelf, seconds: float, sleep: Sleep) -> None:
        self._shelf = shelf
        self._seconds = seconds
        self._sleep = sleep

    async def view(self, run: str, project: str, /) -> RunView | None:
        return await self._within(self._shelf.view(run, project))

    async def ended(self, runs: Sequence[str], /) -> Sequence[str]:
        return await self._within(self._shelf.ended(runs))

    async def places(self, runs: Sequence[str], /) -> Mapping[str, Place]:
        return await self._within(self._shelf.places(runs))

    async def happened(self, run: str, generation: int, /) -> Sequence[Envelope]:
        return await self._within(self._shelf.happened(run, generation))

    async def passage(self, passage: str, project: str, /) -> StoredPassage | None:
        return await self._within(self._shelf.passage(passage, project))

    async def collections(self, project: str, names: Sequence[str], /) -> frozenset[str]:
        return await self._within(self._shelf.collections(project, names))

    async def ping(self) -> None:
        await self._within(self._shelf.ping())

    async def _within(self, asked: Awaitable[T]) -> T:
        async def work() -> T:
            return await asked

        return await within(self._seconds, work(), self._sleep)
