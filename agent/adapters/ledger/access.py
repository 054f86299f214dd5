"""Projects and keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from agent.access import Book, Key, Limits, NewKey, Project
from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import audit_id
from agent.envelope import scrub

_LIMITS = tuple(it.name for it in fields(Limits))
_KEY = ("id", "project", "name", "role", "hint", "hash", "created_at", "expires_at", "revoked_at", "lives_s")


class PostgresAccess:
    """See `agent.access.Access`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def version(self) -> str:
        with reached():
            version: str = await self._pool.fetchval(sql("access_version"))
        return version

    async def book(self) -> Book:
        version = await self.version()
        with reached():
            projects = [_project(row) for row in await self._pool.fetch(sql("access_projects"))]
            keys = [_key(row) for row in await self._pool.fetch(sql("access_keys"), None, False)]
            locked = await self._pool.fetchval(sql("access_locked"))
        return Book(version, {project.id: project for project in projects}, keys, locked)

    async def create_project(self, project: Project, by: str, /) -> bool:
        return await self._write("access_open_project", *_columns(project), scrub(by), audit_id()) is not None

    async def change_project(self, project: Project, by: str, /) -> bool:
        return await self._write("access_change_project", *_columns(project), scrub(by), audit_id()) is not None

    async def create_key(self, new: NewKey, by: str, /) -> bool:
        values = (new.id, new.project, scrub(new.name), new.role, scrub(new.hint), new.hash, new.lives_s)
        row = await self._write("access_create_key", *values, *_limits(new.limits), scrub(by), audit_id())
        return row is not None

    async def revoke_key(self, key: str, grace_s: float, by: str, /) -> Key | None:
        row = await self._write("access_revoke_key", scrub(key), grace_s, scrub(by), audit_id())
        return None if row is None else _key(row)

    async def keys(self, project: str | None = None, /) -> Sequence[Key]:
        with reached():
            return [_key(row) for row in await self._pool.fetch(sql("access_keys"), project, True)]

    async def _write(self, name: str, *values: Any) -> Any:
        with reached():
            return await self._pool.fetchrow(sql(name), *values)


def _columns(project: Project) -> tuple[Any, ...]:
    return (project.id, scrub(project.name), project.agents, project.models, *_limits(project.limits))


def _limits(limits: Limits) -> tuple[Any, ...]:
    return tuple(getattr(limits, name) for name in _LIMITS)


def _limits_of(row: Any) -> Limits:
    return Limits(**{name: row[name] for name in _LIMITS})


def _project(row: Any) -> Project:
    return Project(
        id=row["id"],
        name=row["name"],
        agents=_tuple(row["agents"]),
        models=_tuple(row["models"]),
        limits=_limits_of(row),
        link_secret=row["link_secret"],
    )


def _tuple(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _key(row: Any) -> Key:
    return Key(limits=_limits_of(row), **{name: row[name] for name in _KEY})
