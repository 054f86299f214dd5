"""How much work it is to check one value against a client's JSON Schema, and to tell what is wrong with it.

A value comes from a stranger as well as its schema. What applies to what stands inside it is worked out once for each
place of the schema that is met, so that the counting itself takes time in proportion to the value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple, Protocol, TypeVar

from agent.checks.schema_walk import Node, Part, Path, children_below, prefix_items, reaches_below

STRING_STEP = 256
"""So many characters count as another subschema, patterns apart. So do `HASH_STEP` values of an array whose items must
differ."""
HASH_STEP = 16


Count = TypeVar("Count", int, float)


class Load(NamedTuple):
    """How often a subschema is applied, at most, and how much would be copied at most if each of them failed.

    An error of the library holds a copy of its value and of the way to it.
    """

    work: int
    copied: int


class Weights(Protocol):
    """What a subschema and all that it applies to the same value cost together."""

    nodes: Mapping[Path, Node]

    def closure(self, path: Path, /) -> Mapping[Path, int]:
        """These subschemas, and how often each is applied."""

    def cost(self, path: Path, /) -> int: ...
    def reading(self, path: Path, /) -> float:
        """For each character of a string."""

    def naming(self, path: Path, /) -> float:
        """For each character of an object's names."""

    def named(self, path: Path, /) -> int:
        """For each name of an object."""

    def hashing(self, path: Path, /) -> int:
        """How often the items of an array are compared with each other."""


def load(value: Any, weights: Weights, most: int) -> Load:
    """What it is to check `value`; stops counting when its work is above `most`."""
    sizes, work, copied = _sizes(value), 0, 0
    ahead: list[tuple[Any, Applied, int]] = [(value, Applied(weights, {(): 1}), 0)]
    while ahead and work <= most:
        item, applied, way_chars = ahead.pop()
        size = sizes.get(id(item), 1)
        times = applied.cost
        if isinstance(item, str):
            size = steps(item)
            work += size * times + ceil(len(item) * applied.reading)
        elif isinstance(item, dict):
            chars = sum(map(len, item))
            times += len(item) * applied.named
            work += times + ceil(chars * applied.naming)
            ahead.extend(
                (inner, below, way_chars + len(name))
                for name, inner in item.items()
                if (below := applied.under(name)) is not None
            )
        elif isinstance(item, list):
            work += times + applied.hashing * (size // HASH_STEP)
            ahead.extend(
                (inner, below, way_chars)
                for place, inner in enumerate(item)
                if (below := applied.at(place)) is not None
            )
        else:
            work += times
        copied += times * (size + way_chars // STRING_STEP)
    return Load(work, copied)


def steps(text: str) -> int:
    """What a string counts as."""
    return 1 + len(text) // STRING_STEP


def weight(value: Any) -> int:
    """What a JSON value counts as where it is compared or copied: its values, names and long strings."""
    return _sizes(value).get(id(value), 1) if isinstance(value, dict | list) else _scalar(value)


class Applied:
    """Subschemas that apply to one value, each with how often; and those for what stands inside it."""

    def __init__(self, weights: Weights, times: Mapping[Path, int]) -> None:
        self._weights = weights
        self._times = times
        self._inside: dict[Part | None, Applied | None] = {}

    @cached_property
    def cost(self) -> int:
        return self._sum(self._weights.cost)

    @cached_property
    def reading(self) -> float:
        return self._sum(self._weights.reading)

    @cached_property
    def naming(self) -> float:
        return self._sum(self._weights.naming)

    @cached_property
    def named(self) -> int:
        return self._sum(self._weights.named)

    @cached_property
    def hashing(self) -> int:
        return self._sum(self._weights.hashing)

    def under(self, name: str) -> Applied | None:
        """What applies to an object's value of this name; None for nothing. Names nobody knows are all alike."""
        return self._of(name if name in self._names else None, name)

    def at(self, place: int) -> Applied | None:
        """What applies to an array's item at this place, from 0."""
        return self._of(min(place, self._first), min(place, self._first))

    def _of(self, kept: Part | None, key: Part) -> Applied | None:
        if kept not in self._inside:
            times: Counter[Path] = Counter()
            for path, count in self._below.items():
                for child in _children(path, self._weights.nodes[path], key):
                    times[child] += count
            self._inside[kept] = Applied(self._weights, times) if times else None
        return self._inside[kept]

    @cached_property
    def _below(self) -> Mapping[Path, int]:
        """All that apply to the value, directly or not, and say something of what stands inside it."""
        every: Counter[Path] = Counter()
        for path, times in self._times.items():
            for inner, count in self._weights.closure(path).items():
                if reaches_below(self._weights.nodes[inner]):
                    every[inner] += times * count
        return every

    @cached_property
    def _names(self) -> frozenset[str]:
        nodes = (self._weights.nodes[path] for path in self._below)
        return frozenset(name for node in nodes if isinstance(node, dict) for name in node.get("properties", ()))

    @cached_property
    def _first(self) -> int:
        return max((prefix_items(self._weights.nodes[path]) for path in self._below), default=0)

    def _sum(self, of: Callable[[Path], Count]) -> Count:
        return sum(times * of(path) for path, times in self._times.items())


def _children(path: Path, node: Node, key: Part) -> Iterator[Path]:
    return children_below(path, node, key) if isinstance(node, dict) else iter(())


def _sizes(value: Any) -> dict[int, int]:
    """What each object and array of a value counts as, with all inside it, by its identity."""
    containers, ahead = list[Any](), [value]
    while ahead:
        item = ahead.pop()
        if isinstance(item, dict | list):
            containers.append(item)
            ahead.extend(item.values() if isinstance(item, dict) else item)
    sizes: dict[int, int] = {}
    for item in reversed(containers):
        inner = item.values() if isinstance(item, dict) else item
        names = sum(map(steps, item)) if isinstance(item, dict) else 0
        sizes[id(item)] = 1 + names + sum(sizes.get(id(each), 0) or _scalar(each) for each in inner)
    return sizes


def _scalar(value: Any) -> int:
    return steps(value) if isinstance(value, str) else 1
