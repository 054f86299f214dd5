"""A pointer as the flat fields of a stream entry, readable in redis-cli, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.ports import Delivery, Pointer, Unreadable


def fields(pointer: Pointer) -> list[Any]:
    """Names and values in turn, as XADD takes them."""
    return [
        *("run", pointer.run, "generation", pointer.generation, "seq", pointer.seq, "route", pointer.route),
        *("attempt", pointer.attempt, "project", pointer.project, "trace", pointer.trace),
    ]


def read(route: str, entry: str, found: Mapping[str, str], worker: str) -> Delivery | Unreadable:
    """What an entry says. An entry of another route than its stream's is as unreadable as garbage."""
    try:
        pointer = Pointer(
            run=found["run"],
            generation=int(found["generation"]),
            seq=int(found["seq"]),
            route=found["route"],
            attempt=int(found["attempt"]),
            project=found.get("project", ""),
            trace=found.get("trace", ""),
        )
    except KeyError as error:
        return Unreadable(route, entry, dict(found), f"the entry has no field {error}")
    except ValueError as error:
        return Unreadable(route, entry, dict(found), f"a field is not a number: {error}")
    if pointer.route != route or max(pointer.generation, pointer.seq, pointer.attempt) > 2**31 - 1:
        return Unreadable(route, entry, dict(found), "the entry does not belong to this stream")
    return Delivery(pointer, entry, worker)
