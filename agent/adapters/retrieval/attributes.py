"""Attributes as they are given: in a document's front matter, on a command line, and as JSON in the ledger."""

from __future__ import annotations

from datetime import date
from itertools import islice
from typing import Any

import orjson

from agent.adapters.retrieval.records import clean
from agent.filters import KEY, MOST_ATTRIBUTES, MOST_VALUES, Attributes, Scalar, is_scalar


def readable(told: Any) -> Attributes:
    """What of a mapping can be attributes, such as a front matter; the rest is left out, and what is too much of it."""
    if not isinstance(told, dict):
        return {}
    usable = ((key, _values(value)) for key, value in told.items() if isinstance(key, str) and KEY.fullmatch(key))
    return dict(islice(((key, values) for key, values in usable if values), MOST_ATTRIBUTES))


def merged(*layers: Attributes) -> Attributes:
    """The attributes of all layers; an earlier one wins, and is not crowded out by a later one."""
    found: dict[str, tuple[Scalar, ...]] = {}
    for layer in layers:
        for key, values in layer.items():
            if key in found or len(found) < MOST_ATTRIBUTES:
                found.setdefault(key, values)
    return found


def _values(value: Any) -> tuple[Scalar, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    return tuple(islice(filter(is_scalar, map(_plain, listed)), MOST_VALUES))


def _plain(value: Any) -> Any:
    """Dates as texts, whose order is the order of time."""
    return clean(value) if isinstance(value, str) else value.isoformat() if isinstance(value, date) else value


def written(attributes: Attributes) -> str:
    """As the ledger keeps them."""
    return orjson.dumps(dict(attributes), option=orjson.OPT_SORT_KEYS).decode()


def stored(text: str) -> Attributes:
    """What `written` wrote."""
    return {key: tuple(values) for key, values in orjson.loads(text).items()}
