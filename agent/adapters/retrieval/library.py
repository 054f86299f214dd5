"""The library in PostgreSQL: documents, their passages, and the log of changes that search indexes follow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
from asyncpg import exceptions

from agent.adapters.retrieval.attributes import stored, written
from agent.adapters.retrieval.queries import sql
from agent.adapters.retrieval.records import (
    Change,
    Document,
    Known,
    Placed,
    State,
    clean,
    document_id,
    headline,
    identified,
)
from agent.errors import Refused, Transient
from agent.events import Passage
from agent.ports import StoredPassage

Connection = Any
"""asyncpg's pool hands out proxies that its types do not name."""

AWAY = (
    OSError,
    asyncpg.InterfaceError,
    exceptions.PostgresConnectionError,
    exceptions.InsufficientResourcesError,
    exceptions.OperatorInterventionError,
    exceptions.SerializationError,
    exceptions.DeadlockDetectedError,
    exceptions.LockNotAvailableError,
)
"""The database is away, going away, or too busy: the same statement may succeed later."""

CHANGES_PAGE = 2_000


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise Transient(f"the library is not available: {type(error).__name__}: {error}", kind="transport") from error


class Library:
    """Every method raises `Transient` (`transport`) if the database cannot be reached.

    A collection has one writer at a time: versions have no gaps and are in commit order, so that whoever has followed
    the log to a version has seen everything before it.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def state(self, project: str, collection: str) -> State | None:
        """How far the collection has come, or None if there is none of this name."""
        rows = await self._fetch("state", clean(project), clean(collection))
        return State(rows[0]["epoch"], rows[0]["version"]) if rows else None

    async def version(self, project: str, collection: str) -> int:
        """The number of the collection's last change; 0 if there is no such collection."""
        state = await self.state(project, collection)
        return state.version if state else 0

    async def documents(self, project: str, collection: str) -> Mapping[str, Known]:
        """The documents of a collection by source."""
        rows = await self._fetch("documents", project, collection)
        return {row["source"]: Known(row["root"], row["content_hash"]) for row in rows}

    async def count(self, project: str, collection: str) -> int:
        """How many passages can be found."""
        return int((await self._fetch("count_passages", project, collection))[0][0])

    async def put(self, project: str, collection: str, documents: Sequence[Document]) -> None:
        """Add documents or replace those of the same source, all in one version. Sources are unique in `documents`.

        Passages whose text is still there keep their id. Raises `Refused` if there is no such project.
        """
        async with self._writing(project, collection) as connection:
            added, gone = await _put(connection, project, collection, documents)
            await _log(connection, project, collection, added, gone)

    async def remove(self, project: str, collection: str, sources: Sequence[str]) -> None:
        """Take documents out of the collection, all in one version; unknown sources are no error."""
        async with self._writing(project, collection) as connection:
            rows = await connection.fetch(sql("remove_documents"), project, collection, sources)
            stored = await connection.fetch(sql("passages_of"), [row["id"] for row in rows])
            gone = [row["id"] for row in stored]
            await connection.execute(sql("retire_passages"), gone)
            await _log(connection, project, collection, (), gone)

    async def move(self, project: str, collection: str, roots: Mapping[str, str]) -> None:
        """Remember the roots, by source, under which unchanged documents were found now."""
        await self._fetch("move_documents", project, collection, list(roots), list(roots.values()))

    async def changes(
        self, project: str, collection: str, since: int, until: int, *, after: str = "", limit: int = CHANGES_PAGE
    ) -> list[Change]:
        """What became of each passage that changed after version `since` and up to `until`, once each, by passage id.

        At most `limit`; the next page comes `after` the last passage id of this one.
        """
        rows = await self._fetch("changes", clean(project), clean(collection), since, until, after, limit)
        return [_change(row) for row in rows]

    async def collections(self, project: str, names: Sequence[str]) -> frozenset[str]:
        """Those of these collections that the project has."""
        rows = await self._fetch("collections", clean(project), [clean(name) for name in names])
        return frozenset(row["name"] for row in rows)

    async def around(self, passages: Sequence[str], project: str, collection: str, reach: int) -> list[Placed]:
        """These passages and up to `reach` before and after each in its document, as they stand in it now."""
        rows = await self._fetch("around", clean(project), clean(collection), passages, reach)
        return [Placed(row["ordinal"], _passage(row)) for row in rows]

    async def passages(self, passages: Sequence[str], project: str) -> list[StoredPassage]:
        """Those of these passages that the project has, also ones that have been replaced since, by id."""
        rows = await self._fetch("passages", clean(project), [clean(passage) for passage in passages])
        return [_stored(row) for row in rows]

    async def passage(self, passage: str, project: str) -> StoredPassage | None:
        """A passage of this project, also one that has been replaced since; or None."""
        return next(iter(await self.passages([passage], project)), None)

    async def _fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        with _reached():
            async with self._pool.acquire(timeout=10) as connection:
                return list(await connection.fetch(sql(query), *values))

    @asynccontextmanager
    async def _writing(self, project: str, collection: str) -> AsyncIterator[Connection]:
        """A transaction that is the collection's only writer."""
        with _reached():
            async with self._pool.acquire(timeout=10) as connection, connection.transaction():
                await _lock(connection, project, collection)
                yield connection


async def _lock(connection: Connection, project: str, collection: str) -> None:
    try:
        await connection.execute(sql("open_collection"), project, collection)
    except exceptions.ForeignKeyViolationError as error:
        raise Refused(f"there is no project {project!r}") from error
    await connection.execute(sql("lock_collection"), project, collection)


async def _put(
    connection: Connection, project: str, collection: str, documents: Sequence[Document]
) -> tuple[list[str], list[str]]:
    """The passages that indexes must take in, and those that they must forget."""
    ids = {document_id(project, collection, document.source): document for document in documents}
    shown = {row["id"]: _shown(row) for row in await connection.fetch(sql("documents_by_id"), list(ids))}
    known = {row["id"]: row["heading"] for row in await connection.fetch(sql("passages_of"), list(ids))}
    rows: list[tuple[str, str, int, str, str, int, int]] = []
    added: list[str] = []
    for owner, document in ids.items():
        renamed = shown.get(owner) != (document.title, document.url, written(document.attributes))
        for passage, ordinal, piece in identified(project, collection, document):
            rows.append((passage, owner, ordinal, piece.heading, piece.text, piece.start, piece.end))
            if renamed or known.get(passage) != piece.heading:
                added.append(passage)
    gone = sorted(known.keys() - {row[0] for row in rows})
    await connection.execute(sql("put_documents"), project, collection, list(ids), *_columns(documents))
    await connection.execute(sql("put_passages"), project, collection, *_transposed(rows, 7))
    await connection.execute(sql("retire_passages"), gone)
    return added, gone


def _columns(documents: Sequence[Document]) -> list[list[Any]]:
    rows = [
        (each.source, each.root, each.title, each.url, each.content_hash, written(each.attributes))
        for each in documents
    ]
    return _transposed(rows, 6)


def _shown(row: asyncpg.Record) -> tuple[str, str | None, str]:
    """What of a document its passages' entries in an index hold."""
    return row["title"], row["url"], row["attributes"]


def _transposed(rows: Sequence[tuple[Any, ...]], columns: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(columns)]


async def _log(
    connection: Connection, project: str, collection: str, added: Sequence[str], gone: Sequence[str]
) -> None:
    if added or gone:
        version = await connection.fetchval(sql("move_on"), project, collection)
        ops = ["add"] * len(added) + ["remove"] * len(gone)
        await connection.execute(sql("log_changes"), project, collection, version, [*added, *gone], ops)


def _change(row: asyncpg.Record) -> Change:
    if not row["added"]:
        return Change(row["passage_id"], None)
    return Change(row["passage_id"], _passage(row), stored(row["attributes"]))


def _passage(row: asyncpg.Record) -> Passage:
    return Passage(
        id=row["passage_id"],
        label="",
        document_id=row["document_id"],
        title=headline(row["title"], row["heading"]),
        source=row["source"],
        url=row["url"],
        text=row["text"],
    )


def _stored(row: asyncpg.Record) -> StoredPassage:
    return StoredPassage(
        id=row["id"],
        project=row["project_id"],
        collection=row["collection"],
        document_id=row["document_id"],
        title=headline(row["title"], row["heading"]),
        source=row["source"],
        url=row["url"],
        text=row["text"],
        current=row["current"],
    )
