"""Who may ask: projects, the keys that open them, and what each of them may use."""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal, Protocol

Role = Literal["user", "operator"]
ROLES: tuple[Role, ...] = ("user", "operator")

KEY_BEGINS = "cue-"
"""Every key of ours begins so, and those who look for secrets in places where they should not be can find it."""
PROJECT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SIGNATURE_BYTES = 18


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each; None for no limit. A minute is the last sixty seconds, a day is UTC's."""

    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    concurrent_runs: int | None = None
    usd_per_day: Decimal | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, it.name) is not None for it in fields(self))


@dataclass(frozen=True, slots=True)
class Project:
    """Owns keys, collections and responses. `agents` and `models` are what it may use; None for all there are."""

    id: str
    name: str = ""
    agents: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    limits: Limits = Limits()
    link_secret: bytes = field(default=b"", repr=False)
    """Signs links to the project's passages."""

    def may_use(self, agent: str) -> bool:
        """Whether this agent is among those of the project."""
        return self.agents is None or agent in self.agents


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the ledger keeps it: its hash, and how it begins. `lives_s` counts from when it was read."""

    id: str
    project: str
    name: str
    role: Role
    hint: str
    hash: bytes = field(repr=False)
    limits: Limits = Limits()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    """From when on it is refused: in the future while its successor is being handed out."""
    lives_s: float | None = None
    """Seconds until it is refused; None for ever."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to put on record. `lives_s` is how long it shall be good for; None for as long as nobody revokes it."""

    id: str
    project: str
    name: str
    role: Role
    hint: str
    hash: bytes = field(repr=False)
    limits: Limits = Limits()
    lives_s: float | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """All projects, and all keys that are good, as they were at one moment. `locked` once there ever was a key."""

    version: str
    projects: Mapping[str, Project]
    keys: Sequence[Key]
    locked: bool


class Access(Protocol):
    """Projects and keys in the ledger. Every method raises `Transient` if the store cannot be reached."""

    async def version(self) -> str:
        """Changes whenever a project or a key does."""

    async def book(self) -> Book:
        """What is there now. Its version is never newer than what it holds."""

    async def create_project(self, project: Project, by: str, /) -> bool:
        """Open a project, and put that on the audit; False if its id is taken. Its link secret is made here."""

    async def change_project(self, project: Project, by: str, /) -> bool:
        """Give a project this name, these agents, models and limits; False if there is none of this id."""

    async def create_key(self, new: NewKey, by: str, /) -> bool:
        """Put a key on record, and that on the audit; False if its id or hash is there already, or no such project."""

    async def revoke_key(self, key: str, grace_s: float, by: str, /) -> Key | None:
        """Have a key refused `grace_s` from now, or earlier if that was said before; the key, or None."""

    async def keys(self, project: str | None = None, /) -> Sequence[Key]:
        """Every key on record, also those that are refused; of one project, or of all; the oldest first."""


def mint() -> tuple[str, str, str]:
    """A new key of more than 256 random bits, with the id it goes by and its beginning, which are no secret."""
    public = secrets.token_hex(6)
    hint = f"{KEY_BEGINS}{public}"
    return f"{hint}-{secrets.token_urlsafe(33)}", f"key_{public}", hint


def hashed(key: str) -> bytes:
    """What the ledger keeps of a key. One hash is enough: nobody can guess what is random and this long."""
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def sign(secret: bytes, project: str, passage: str) -> str:
    """The signature in a link that shows a passage of a project to whoever has the link."""
    told = hmac.digest(secret, f"{project}\n{passage}".encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(told[:SIGNATURE_BYTES]).decode()


def is_signed(secret: bytes, project: str, passage: str, signature: str) -> bool:
    """Whether it is the signature of this passage, in a time that does not tell how close it came."""
    right = sign(secret, project, passage).encode()
    return hmac.compare_digest(right, signature.encode("utf-8", "surrogatepass")) and bool(secret)
