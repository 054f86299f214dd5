"""Attributes of documents, and conditions on them. Only documents that meet a condition are searched.

The condition has the shape of OpenAI's filters. An attribute may have several values (tags, say): `eq`, `in` and the
comparisons hold if one of them does; `ne` and `nin` are the opposites of `eq` and `in`, so they also hold where a
document has no such attribute at all. A text is never equal to a number, and texts are in the order of their code
points, so dates as `2026-11-25` are in the order of time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from operator import ge, gt, le, lt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Attributes = Mapping[str, tuple[Scalar, ...]]
"""The values of each attribute, in the order in which they were given."""

KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MOST_ATTRIBUTES = 16
MOST_VALUES = 16
"""Of one attribute."""
MOST_CHARS = 512
"""Of a text."""
MOST_CONDITIONS = 64
"""In one filter, those inside others counted too."""
MOST_LISTED = 256
"""Values that `in` may list."""
MOST_DEPTH = 8
GREATEST = 2**53
"""Numbers up to here are told apart."""

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}


class Compare(BaseModel):
    """A condition on one attribute. `value` is a tuple for `in` and `nin`, one value for the rest."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str
    value: Scalar | tuple[Scalar, ...]

    @property
    def negative(self) -> bool:
        """Whether it holds where `positive` does not."""
        return self.type in ("ne", "nin")

    @property
    def values(self) -> tuple[Scalar, ...]:
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def holds_for(self, value: Scalar) -> bool:
        """Whether one value of the attribute fits, a negative condition read as its opposite."""
        order = _ORDERS.get(self.type)
        if order is None:
            return any(same(value, wanted) for wanted in self.values)
        wanted = self.values[0]
        return kind(value) == kind(wanted) != "b" and order(value, wanted)


class Combine(BaseModel):
    """All of several conditions, or one of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["and", "or"]
    filters: tuple[Filter, ...]


Filter = Annotated[Compare | Combine, Field(discriminator="type")]
Combine.model_rebuild()


def kind(value: Scalar) -> Literal["s", "b", "n"]:
    """Text, truth value or number: values of two kinds are never equal, and none is greater."""
    return "s" if isinstance(value, str) else "b" if isinstance(value, bool) else "n"


def same(one: Scalar, other: Scalar) -> bool:
    return kind(one) == kind(other) and one == other


def matches(wanted: Filter, attributes: Attributes) -> bool:
    """Whether a document with these attributes meets the condition."""
    if isinstance(wanted, Combine):
        each = (matches(inner, attributes) for inner in wanted.filters)
        return all(each) if wanted.type == "and" else any(each)
    return any(map(wanted.holds_for, attributes.get(wanted.key, ()))) != wanted.negative


def both(*filters: Filter | None) -> Filter | None:
    """The condition that all of these are met; None is no condition."""
    told = tuple(each for each in filters if each is not None)
    return Combine(type="and", filters=told) if len(told) > 1 else next(iter(told), None)


def equal(where: Mapping[str, Scalar | Sequence[Scalar]]) -> Filter | None:
    """The condition that each attribute has this value, or one of these. Raises `ValueError` for what cannot be one."""
    return both(*(_equal(key, value) for key, value in where.items()))


def _equal(key: str, value: Scalar | Sequence[Scalar]) -> Compare:
    listed = not isinstance(value, str | bool | int | float)
    values = tuple(value) if listed else (value,)  # type: ignore[arg-type]
    if not KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no name of an attribute: use 1 to 64 letters, digits, `_`, `.`, `-`")
    if not values or not all(map(is_scalar, values)):
        raise ValueError(f"{key!r} must be a text of up to {MOST_CHARS} characters, a number, true or false")
    return Compare(type="in", key=key, value=values) if listed else Compare(type="eq", key=key, value=values[0])


def is_scalar(value: object) -> bool:
    """Whether this can be the value of an attribute: a short text, a number that is one, true or false."""
    if isinstance(value, str):
        return len(value) <= MOST_CHARS
    if isinstance(value, int | float):
        return isfinite(value) and abs(value) <= GREATEST
    return False


def conditions(wanted: Filter) -> int:
    """How many comparisons a filter holds."""
    return sum(map(conditions, wanted.filters)) if isinstance(wanted, Combine) else 1
