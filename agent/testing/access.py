"""Projects and keys of the in-memory ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count

from agent.access import Book, Key, NewKey, Project, hashed
from agent.envelope import scrub
from agent.testing.memory import MemoryLedger
from agent.testing.rows import AuditRow


class MemoryAccess:
    """See `agent.access.Access`: the twin, beside a `MemoryLedger` that holds its projects."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._keys: dict[str, Key] = {}
        self._versions = count(1)
        self._version = "0"

    async def version(self) -> str:
        await self._ledger.ping()
        return self._version

    async def book(self) -> Book:
        await self._ledger.ping()
        good = [key for key in self._on_record() if key.lives_s is None or key.lives_s > 0]
        return Book(self._version, dict(self._ledger.projects), good, bool(self._keys))

    async def create_project(self, project: Project, by: str, /) -> bool:
        await self._ledger.ping()
        if project.id in self._ledger.projects:
            return False
        self._ledger.projects[project.id] = replace(project, link_secret=hashed(project.id))
        self._note(by, "create_project", project.id)
        return True

    async def change_project(self, project: Project, by: str, /) -> bool:
        await self._ledger.ping()
        if (known := self._ledger.projects.get(project.id)) is None:
            return False
        self._ledger.projects[project.id] = replace(project, link_secret=known.link_secret)
        self._note(by, "change_project", project.id)
        return True

    async def create_key(self, new: NewKey, by: str, /) -> bool:
        await self._ledger.ping()
        taken = new.id in self._keys or any(key.hash == new.hash for key in self._keys.values())
        if taken or new.project not in self._ledger.projects:
            return False
        now = self._ledger.clock.now()
        self._keys[new.id] = Key(
            *(new.id, new.project, scrub(new.name), new.role, scrub(new.hint), new.hash, new.limits),
            created_at=now,
            expires_at=None if new.lives_s is None else now + timedelta(seconds=new.lives_s),
        )
        self._note(by, "create_key", new.id)
        return True

    async def revoke_key(self, key: str, grace_s: float, by: str, /) -> Key | None:
        await self._ledger.ping()
        if (known := self._keys.get(key)) is None:
            return None
        wanted = self._ledger.clock.now() + timedelta(seconds=grace_s)
        revoked_at = wanted if known.revoked_at is None else min(known.revoked_at, wanted)
        if revoked_at != known.revoked_at:
            self._keys[key] = replace(known, revoked_at=revoked_at)
            self._note(by, "revoke_key", key)
        return self._read(self._keys[key])

    async def keys(self, project: str | None = None, /) -> Sequence[Key]:
        await self._ledger.ping()
        return [key for key in self._on_record() if project in (None, key.project)]

    def _on_record(self) -> list[Key]:
        return sorted(map(self._read, self._keys.values()), key=lambda key: (str(key.created_at), key.id))

    def _read(self, key: Key) -> Key:
        ends = [at for at in (key.expires_at, key.revoked_at) if at is not None]
        left = (min(ends) - self._ledger.clock.now()).total_seconds() if ends else None
        return replace(key, lives_s=left)

    def _note(self, by: str, action: str, subject: str) -> None:
        self._version = str(next(self._versions))
        self._ledger.audit.append(AuditRow(scrub(by), action, subject))
