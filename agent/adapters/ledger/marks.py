"""Noting which stream entry carries which work, for as long as nobody here has begun it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from agent.errors import AgentError
from agent.ports import Pointer

WITHIN_S = 0.2
"""Well below the relay's grace for fresh work: what is not noted by then is published again."""


class Marks:
    """Gathers marks for a moment and writes them together; nobody waits for them.

    Beginning notes the entry as well, so the mark of work that was begun meanwhile is not written at all: without a
    backlog that is nearly every one. A mark that is lost costs a second entry, which `begin` drops.
    """

    def __init__(self, write: Callable[[Mapping[Pointer, str]], Awaitable[None]], within_s: float = WITHIN_S) -> None:
        self._write = write
        self._within_s = within_s
        self._waiting: dict[Pointer, str] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def add(self, pointer: Pointer, entry: str) -> None:
        """Have `entry` noted within a moment."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(self._within_s, self._start)
        self._waiting[pointer] = entry

    def begun(self, pointer: Pointer) -> None:
        """The work was begun, and its entry noted with that."""
        self._waiting.pop(pointer, None)

    async def drain(self) -> None:
        """Write what is waiting, and wait until it is written or lost."""
        self._start()
        await asyncio.gather(*self._writing)

    def _start(self) -> None:
        if self._waiting:
            marks, self._waiting = self._waiting, {}
            task = asyncio.create_task(self._flush(marks))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _flush(self, marks: Mapping[Pointer, str]) -> None:
        with suppress(AgentError):
            await self._write(marks)
