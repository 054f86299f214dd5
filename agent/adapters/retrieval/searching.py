"""The performer of `Search`: brings its own index up to the collection's newest version, then searches it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from agent.adapters.retrieval.around import with_neighbours
from agent.adapters.retrieval.folders import Slot
from agent.adapters.retrieval.index import Damaged, LocalIndex, Snapshot, search
from agent.adapters.retrieval.library import CHANGES_PAGE, Library
from agent.adapters.retrieval.records import State
from agent.effects import Found, Search
from agent.errors import Transient

FEW_PASSAGES = 10_000
SHORT_CHARS = 400
"""Such a question to so few passages takes a quarter of a millisecond, and handing it to a thread as long again."""


class Searcher:
    """Whatever was ingested before a search began is found by it, on every worker. Close it after the last search."""

    def __init__(self, library: Library, index_dir: Path | None) -> None:
        self._library = library
        self._slot = Slot(index_dir)
        self._copies: dict[tuple[str, str], Copy] = {}

    async def search(self, effect: Search, project: str) -> Found:
        """The best passages and the version that was searched; an unknown collection is empty and at version 0.

        Raises `Transient`: kind `transport` if the library cannot be reached, `index` if no local index can be kept.
        """
        state = await self._library.state(project, effect.collection)
        if state is None:
            return Found(passages=(), index_version=0)
        copy = self._copy(project, effect.collection)
        for _ in range(2):
            snapshot = await copy.caught_up(state)
            with suppress(Damaged):
                found = await _search(snapshot, effect)
                return await self._widened(found, effect, project)
            copy.distrust(snapshot)
        raise Transient("the search index cannot be read, not even a new one", kind="index")

    async def _widened(self, found: Found, effect: Search, project: str) -> Found:
        """The passages with their neighbours, as their documents are now: only the ledger knows every place."""
        if not effect.neighbours or not found.passages:
            return found
        ids = [passage.id for passage in found.passages]
        places = await self._library.around(ids, project, effect.collection, effect.neighbours)
        return Found(passages=with_neighbours(found.passages, places), index_version=found.index_version)

    def close(self) -> None:
        """Let another process have the indexes."""
        self._slot.close()

    def _copy(self, project: str, collection: str) -> Copy:
        key = (project, collection)
        if key not in self._copies:
            index = LocalIndex(self._slot.home(project, collection))
            self._copies[key] = Copy(self._library, project, collection, index)
        return self._copies[key]


class Copy:
    """A collection's index in this process. However many searches wait for changes, they are applied once."""

    def __init__(self, library: Library, project: str, collection: str, index: LocalIndex) -> None:
        self._library = library
        self._project = project
        self._collection = collection
        self._index = index
        self._opened = False
        self._following: asyncio.Task[None] | None = None

    def distrust(self, snapshot: Snapshot) -> None:
        """Have the index built anew from the log before it is searched again, unless that was done meanwhile."""
        if self._index.snapshot is snapshot:
            self._index.snapshot = None

    async def caught_up(self, state: State) -> Snapshot:
        """The index at `state` or later. Raises `Transient`, `Damaged`."""
        while True:
            snapshot = self._index.snapshot
            if snapshot is not None and snapshot.state == state:
                return snapshot
            await self._follow_once()
            snapshot = self._index.snapshot
            if snapshot and snapshot.state.epoch == state.epoch and snapshot.state.version >= state.version:
                return snapshot
            newer = await self._library.state(self._project, self._collection)
            if newer is None:
                raise Transient("the collection was removed while it was searched", kind="index")
            state = newer

    async def _follow_once(self) -> None:
        """Join the update that is under way, or start one. A search that is given up does not stop it for others."""
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())
            self._following.add_done_callback(_seen)
        await asyncio.shield(self._following)

    async def _follow(self) -> None:
        state = await self._library.state(self._project, self._collection)
        if state is None:
            return
        try:
            since = await asyncio.to_thread(self._prepare, state)
            await self._apply(since, state)
        except (Damaged, OSError):
            await self._rebuild(state)

    async def _rebuild(self, state: State) -> None:
        try:
            await asyncio.to_thread(self._index.discard)
            await self._apply(0, state)
        except (Damaged, OSError) as error:
            raise Transient(f"no search index can be written: {error}", kind="index") from error

    async def _apply(self, since: int, state: State) -> None:
        last = ""
        while since < state.version:
            page = await self._library.changes(self._project, self._collection, since, state.version, after=last)
            await asyncio.to_thread(self._index.apply, page)
            if len(page) < CHANGES_PAGE:
                break
            last = page[-1].passage_id
        await asyncio.to_thread(self._index.show, state)

    def _prepare(self, state: State) -> int:
        """The version to go on from: 0 if what is here is of another collection, or of its future."""
        if not self._opened:
            self._index.open()
            self._opened = True
        snapshot = self._index.snapshot
        if snapshot is None or snapshot.state.epoch != state.epoch or snapshot.state.version > state.version:
            self._index.discard()
            return 0
        return snapshot.state.version


def _seen(task: asyncio.Task[None]) -> None:
    """Whoever waited has the error already; nobody may be waiting any more."""
    if not task.cancelled():
        task.exception()


async def _search(snapshot: Snapshot, effect: Search) -> Found:
    searcher = snapshot.searcher
    if searcher.num_docs <= FEW_PASSAGES and len(effect.query) <= SHORT_CHARS:
        passages = search(searcher, effect.query, effect.limit, effect.where)
    else:
        passages = await asyncio.to_thread(search, searcher, effect.query, effect.limit, effect.where)
    return Found(passages=tuple(passages), index_version=snapshot.state.version)
