"""How much work a client's JSON Schema makes, counted before anything is compiled, and again for each value.

Schemas and values come from strangers. A small schema can refer to itself or to others so often that one small value
is checked a million times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from math import ceil
from typing import Any, TypeGuard

from agent.checks.schema_refs import References
from agent.checks.schema_walk import (
    BadSchema,
    Node,
    Part,
    Path,
    children_below,
    children_here,
    prefix_items,
    reaches_below,
    subschemas,
)

MOST_EXPANSION = 5_000
"""Subschemas that apply to one and the same value, counted each time they do."""
MOST_HOPS = 100
"""Subschemas on the way from one to the last that it applies to the same value."""
STRING_STEP = 256
"""So many characters count as another subschema, patterns apart. So do `ENUM_STEP` values of an enum."""
ENUM_STEP = 16
_AGAIN = ("unevaluatedProperties", "unevaluatedItems")
"""With one of these, the schemas beside it are looked at twice."""


_Applied = tuple[Any, Mapping[Path, int]]
"""A value, and how often each subschema applies to it."""


class SchemaGraph:
    """A schema's subschemas and what they apply to. Raises `BadSchema` if built from one that is beyond the limits."""

    def __init__(self, root: dict[str, Any], price: Callable[[str], float] = lambda pattern: 0.0) -> None:
        """`price` is what a pattern may cost for each character that it reads, as subschemas applied."""
        self._nodes = subschemas(root)
        self._price = cache(price)
        self.references = References(self._nodes)
        here = {path: tuple(self._applied(path)) for path in self._nodes}
        _refuse_expansion(here)
        self._here: Mapping[Path, tuple[Path, ...]] = here
        self._closure = cache(self._closed)
        self._cost = cache(self._weighed)
        self._reading = cache(self._read)
        self._naming = cache(self._named)

    def work(self, value: Any, most: int) -> int:
        """How often a subschema is applied, at most, when `value` is checked; stops counting above `most`."""
        total = 0
        ahead: list[_Applied] = [(value, {(): 1})]
        while ahead and total <= most:
            item, applied = ahead.pop()
            step = 1 + len(item) // STRING_STEP if isinstance(item, str) else 1
            total += step * sum(times * self._cost(path) for path, times in applied.items())
            total += self._patterns(item, applied)
            if isinstance(item, dict | list):
                ahead.extend(self._inside(item, self._every(applied)))
        return total

    def _patterns(self, item: Any, applied: Mapping[Path, int]) -> int:
        """What patterns cost that read a string, or the names of an object."""
        if isinstance(item, str):
            return ceil(len(item) * sum(times * self._reading(path) for path, times in applied.items()))
        if isinstance(item, dict) and (each := sum(times * self._naming(path) for path, times in applied.items())):
            return ceil(each * sum(map(len, item)))
        return 0

    def _read(self, path: Path) -> float:
        nodes = ((self._nodes[inner], times) for inner, times in self._closure(path).items())
        return sum(times * self._price(node["pattern"]) for node, times in nodes if _has(node, "pattern"))

    def _named(self, path: Path) -> float:
        total = 0.0
        for inner, times in self._closure(path).items():
            node = self._nodes[inner]
            if _has(node, "patternProperties"):
                total += times * sum(map(self._price, node["patternProperties"]))
            if _has(node, "propertyNames"):
                total += times * self._reading((*inner, "propertyNames"))
        return total

    def _every(self, applied: Mapping[Path, int]) -> Counter[Path]:
        every: Counter[Path] = Counter()
        for path, times in applied.items():
            for inner, count in self._closure(path).items():
                every[inner] += times * count
        return every

    def _closed(self, path: Path) -> Counter[Path]:
        """A subschema and all that it applies to the same value, directly or not, with how often."""
        closed: Counter[Path] = Counter({path: 1})
        for inner in self._here[path]:
            closed.update(self._closure(inner))
        return closed

    def _weighed(self, path: Path) -> int:
        return sum(times * _weight(self._nodes[inner]) for inner, times in self._closure(path).items())

    def _inside(self, value: dict[str, Any] | list[Any], applied: Mapping[Path, int]) -> Iterator[_Applied]:
        """The values one level below, each with the subschemas that apply to it."""
        below = {path: times for path, times in applied.items() if reaches_below(self._nodes[path])}
        if isinstance(value, dict):
            pairs: Iterator[_Applied] = ((item, self._at(below, key)) for key, item in value.items())
        else:
            pairs = self._in_array(value, below)
        return (pair for pair in pairs if pair[1])

    def _in_array(self, value: list[Any], below: Mapping[Path, int]) -> Iterator[_Applied]:
        first = max((prefix_items(self._nodes[path]) for path in below), default=0)
        for place, item in enumerate(value[:first]):
            yield item, self._at(below, place)
        alike = self._at(below, first)
        for item in value[first:]:
            yield item, alike

    def _at(self, below: Mapping[Path, int], key: Part) -> Mapping[Path, int]:
        at: Counter[Path] = Counter()
        for path, times in below.items():
            for child in self._below(path, key):
                at[child] += times
        return at

    def _below(self, path: Path, key: Part) -> Iterator[Path]:
        node = self._nodes[path]
        return children_below(path, node, key) if isinstance(node, dict) else iter(())

    def _applied(self, path: Path) -> Iterator[Path]:
        """What a subschema itself applies to the same value, once for each time."""
        node = self._nodes[path]
        if isinstance(node, bool):
            return
        direct = list(children_here(path, node))
        direct.extend(self.references.leads(path, node))
        yield from direct
        if any(key in node for key in _AGAIN):
            yield from direct


def _has(node: Node, name: str) -> TypeGuard[dict[str, Any]]:
    return isinstance(node, dict) and name in node


def _weight(node: Node) -> int:
    """What one application costs: each value of an enum is compared, each missing name is a problem of its own."""
    if isinstance(node, bool):
        return 1
    names = [node.get("required"), *_lists(node.get("dependentRequired"))]
    required = sum(len(each) for each in names if isinstance(each, list))
    values = node.get("enum")
    return 1 + required + (len(values) // ENUM_STEP if isinstance(values, list) else 0)


def _lists(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else ()


def _refuse_expansion(here: Mapping[Path, tuple[Path, ...]]) -> None:
    """Counts what applies to one value, following no path twice; a circle would never end."""
    known: dict[Path, tuple[int, int]] = {}
    for start in here:
        ahead, opened = [start], set[Path]()
        while ahead:
            path = ahead[-1]
            waiting = [] if path in opened else [inner for inner in here[path] if inner not in known]
            if not opened.isdisjoint(waiting) or path in waiting:
                raise BadSchema(path, "refers to itself for one and the same value, so it never ends")
            opened.add(path)
            ahead.extend(waiting)
            if not waiting:
                known.setdefault(path, _measured(path, [known[inner] for inner in here[path]]))
                ahead.pop()


def _measured(path: Path, inner: list[tuple[int, int]]) -> tuple[int, int]:
    """How many subschemas one comes to, and over how many hops at most."""
    size = 1 + sum(each for each, _ in inner)
    hops = 1 + max((each for _, each in inner), default=0)
    if size > MOST_EXPANSION or hops > MOST_HOPS:
        raise BadSchema(path, f"comes to more than {MOST_EXPANSION} subschemas for one value, or over {MOST_HOPS} hops")
    return size, hops
