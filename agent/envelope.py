"""The paper around an event: which run it belongs to, who made it, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from agent.errors import Undecodable, Unfamiliar
from agent.events import Event

_NONE: Mapping[str, str] = MappingProxyType({})


class Key(NamedTuple):
    """The identity of an event: ordered within its run, unique everywhere."""

    run: str
    generation: int
    seq: int

    def __str__(self) -> str:
        return f"{self.run}/{self.generation}/{self.seq}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """An event as it is written: its type and version beside its JSON text.

    `agent` and `prompt` name the versions that made it (`documents@1.0.0+ab12cd34`).
    """

    type: str
    version: int
    data: str
    agent: str = ""
    prompt: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed event in its place, as the ledger gives it back."""

    key: Key
    sealed: Sealed
    at: datetime


def seal(event: Event, *, agent: str = "", prompts: Mapping[str, str] = _NONE, trace: str = "") -> Sealed:
    """Raises nothing: every event is JSON, with NUL and lone surrogates replaced, which no store takes.

    `prompts` are those of the run by name, with the versions that it keeps; an event may name the one it came from.
    """
    data = scrub(event.model_dump_json())
    kept = ",".join(f"{name}@{version}" for name, version in sorted(prompts.items()))
    return Sealed(event.type, event.version, data, agent, getattr(event, "prompt", kept), trace)


def scrub(text: str) -> str:
    r"""Text without the characters that PostgreSQL refuses: NUL, also as the JSON escape \u0000, and surrogates."""
    if "\\u0000" in text:
        text = text.replace("\\\\", "\\\\ ").replace("\\u0000", "\\ufffd").replace("\\\\ ", "\\\\")
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def index(events: Iterable[type[Event]]) -> Mapping[str, type[Event]]:
    """Events by type. Raises `ValueError` if two claim one name."""
    found: dict[str, type[Event]] = {}
    for event in events:
        if found.setdefault(event.type, event) is not event:
            raise ValueError(f"two events are called {event.type!r}")
    return found


def unseal(sealed: Sealed, types: Mapping[str, type[Event]]) -> Event:
    """The event that was sealed, brought up to this release's version.

    Raises:
        Unfamiliar: the type is unknown here, or its version is newer than ours.
        Undecodable: the data is not what its type and version promise.
    """
    event = types.get(sealed.type)
    if event is None:
        raise Unfamiliar(f"event {sealed.type!r} is not known to this release")
    if sealed.version > event.version:
        raise Unfamiliar(f"event {sealed.type!r} has version {sealed.version}, this release reads {event.version}")
    try:
        data = orjson.loads(sealed.data)
        return event.model_validate(event.upcast(data, sealed.version))
    except (ValidationError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Undecodable(f"event {sealed.type!r} version {sealed.version}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
