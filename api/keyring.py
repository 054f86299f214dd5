"""This process' copy of projects and keys: asked for every request, without asking the ledger for every request."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from agent.access import Access, Book, Key, Project, hashed
from agent.errors import Transient
from api.patience import Sleep, settle, within

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

EVERY_S = 1.0
"""How often the ledger is asked whether anything changed; it is one row, and most times it did not."""
STALE_S = 4.0
"""What was read longer ago says nothing of who was let in or shut out since: then a request waits for a look."""
GAP_S = 0.05
"""Looks for keys that nobody knows are no closer together, however many strangers knock."""
HEAD_BYTES = 16


class Keyring:
    """Who a key belongs to. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        access: Access,
        timeout_s: float = 5.0,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._clock = clock
        self._book: Book | None = None
        self._keys: Mapping[bytes, Key] = {}
        self._read_at = 0.0
        self._seen_at: float | None = None
        self._next: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    async def book(self) -> Book:
        """Projects and keys, as they were `STALE_S` ago at most. Raises `Transient`: nobody knows who may come in."""
        if self._book is None or self._seen_at is None or self._clock() - self._seen_at > STALE_S:
            await self._look_soon()
        if self._book is None:
            raise Transient("projects and keys have not been read yet", kind="ledger")
        return self._book

    async def project(self, id: str) -> Project | None:
        """A project by its id. Raises `Transient`."""
        return (await self.book()).projects.get(id)

    async def find(self, presented: str) -> tuple[Key, Project] | None:
        """The key and its project if the key is good; one that was made a moment ago too. Raises `Transient`."""
        digest = hashed(presented)
        await self.book()
        found = self._good(digest)
        if found is None:
            await self._look_soon()
            found = self._good(digest)
        project = None if found is None else (await self.book()).projects.get(found.project)
        return None if found is None or project is None else (found, project)

    def _good(self, digest: bytes) -> Key | None:
        """Half of the hash finds the key, and the whole is compared in a time that does not tell how close it came."""
        key = self._keys.get(digest[:HEAD_BYTES])
        if key is None or not hmac.compare_digest(key.hash, digest):
            return None
        over = key.lives_s is not None and self._clock() - self._read_at >= key.lives_s
        return None if over else key

    async def look(self) -> None:
        """Read them again if anything has changed. Raises `Transient`."""
        async with self._looking:  # or a slow look could put back what a later one has read
            await self._look()

    async def _look(self) -> None:
        began = self._clock()
        if self._book is None or await self._access.version() != self._book.version:
            book = await self._access.book()
            self._keys = {key.hash[:HEAD_BYTES]: key for key in book.keys}
            self._book, self._read_at = book, began
        self._seen_at = began

    async def _look_soon(self) -> None:
        """A look that begins after now, shared by all who want one."""
        if self._next is None:
            self._next = asyncio.create_task(self._gathered())
            self._next.add_done_callback(heard)
        await asyncio.shield(self._next)

    async def _gathered(self) -> None:
        if self._seen_at is not None:
            await self._sleep(GAP_S)
        self._next = None  # whoever comes from now on may have come after this look
        await within(self._timeout_s, self.look(), self._sleep)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep looking meanwhile."""
        looking = asyncio.create_task(self._keep_looking())
        try:
            yield
        finally:
            await settle([looking])

    async def _keep_looking(self) -> None:
        while True:
            try:
                await within(self._timeout_s, self.look(), self._sleep)
            except Exception as error:  # this loop must outlive whatever the store does
                log.warning("keys_unread", error=str(error), exc_info=not isinstance(error, Transient))
            await self._sleep(EVERY_S)


def heard(task: asyncio.Task[None]) -> None:
    """Whoever wanted the look may have left before it failed."""
    if not task.cancelled():
        task.exception()
