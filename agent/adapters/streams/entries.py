"""A pointer as the flat fields of a stream entry, readable in redis-cli, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.envelope import scrub
from agent.ports import Delivery, Pointer, Unreadable

MOST_CHARS = 1_000
"""A field of ours is far shorter."""
MOST_SHOWN = 300
NUMBERS = ("generation", "seq", "attempt")


def fields(pointer: Pointer) -> list[Any]:
    """Names and values in turn, as XADD takes them."""
    return [
        *("run", pointer.run, "generation", pointer.generation, "seq", pointer.seq, "route", pointer.route),
        *("attempt", pointer.attempt, "project", pointer.project, "trace", pointer.trace),
        *(("bulk", 1) if pointer.bulk else ()),
    ]


def read(route: str, entry: str, found: Mapping[str, str], worker: str) -> Delivery | Unreadable:
    """What an entry says. An entry of another route than its stream's is as unreadable as garbage."""
    try:
        pointer = Pointer(
            run=_text(found, "run"),
            generation=int(_text(found, "generation")),
            seq=int(_text(found, "seq")),
            route=_text(found, "route"),
            attempt=int(_text(found, "attempt")),
            project=_text(found, "project", ""),
            trace=_text(found, "trace", ""),
            bulk=found.get("bulk") == "1",
        )
    except KeyError as error:
        return Unreadable(route, entry, dict(found), f"the entry has no field {error}")
    except ValueError as error:
        return Unreadable(route, entry, dict(found), scrub(str(error)[:MOST_SHOWN]))
    numbers = (pointer.generation, pointer.seq, pointer.attempt)
    if pointer.route != route or min(numbers) < 1 or max(numbers) > 2**31 - 1:
        return Unreadable(route, entry, dict(found), "the entry does not belong to this stream")
    return Delivery(pointer, entry, worker)


def _text(found: Mapping[str, str], name: str, default: str | None = None) -> str:
    """A field that the ledger can be asked about. Raises `KeyError` or `ValueError`."""
    value = found[name] if default is None else found.get(name, default)
    if len(value) > MOST_CHARS:
        raise ValueError(f"the field {name!r} has {len(value)} characters; none of ours has more than {MOST_CHARS}")
    if "\x00" in value or (not value.isascii() and scrub(value) != value):
        raise ValueError(f"the field {name!r} holds bytes that are no text")
    if name in NUMBERS and not value.isdecimal():
        raise ValueError(f"the field {name!r} is not a number: {value!r}")
    return value
