"""How much work a client's JSON Schema makes, counted before anything is compiled, and again for each value.

Schemas and values come from strangers. A small schema can refer to itself or to others so often that one small value
is checked a million times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeGuard

from agent.checks.schema_refs import References
from agent.checks.schema_walk import (
    BadSchema,
    Node,
    Path,
    children_here,
    subschemas,
)
from agent.checks.schema_work import STRING_STEP, Load, load, weight

MOST_EXPANSION = 5_000
"""Subschemas that apply to one and the same value, counted each time they do."""
MOST_HOPS = 100
"""Subschemas on the way from one to the last that it applies to the same value."""
ENUM_STEP = 16
"""So many values of an enum or a constant count as another subschema."""
DIVIDING = 8
"""Whether a number is a multiple of another one takes so much longer: it is worked out exactly."""
_AGAIN = ("unevaluatedProperties", "unevaluatedItems")
"""With one of these, the schemas beside it are looked at twice."""


class SchemaGraph:
    """A schema's subschemas and what they apply to. Raises `BadSchema` if built from one that is beyond the limits."""

    def __init__(self, root: dict[str, Any], price: Callable[[str], float] = lambda pattern: 0.0) -> None:
        """`price` is what a pattern may cost for each character that it reads, as subschemas applied."""
        self.nodes = subschemas(root)
        self._price = cache(price)
        self.references = References(self.nodes)
        here = {path: tuple(self._applied(path)) for path in self.nodes}
        _refuse_expansion(here)
        self._here: Mapping[Path, tuple[Path, ...]] = here
        self.closure = cache(self._closed)
        self.cost = cache(self._weighed)
        self.reading = cache(self._read)
        self.naming = cache(self._names_read)
        self.named = cache(self._names_checked)
        self.hashing = cache(self._hashed)

    def load(self, value: Any, most: int) -> Load:
        """How often a subschema is applied, at most, when `value` is checked; stops counting above `most`."""
        return load(value, self, most)

    def _read(self, path: Path) -> float:
        nodes = ((self.nodes[inner], times) for inner, times in self.closure(path).items())
        return sum(times * self._price(node["pattern"]) for node, times in nodes if _has(node, "pattern"))

    def _names_read(self, path: Path) -> float:
        total = 0.0
        for inner, times in self.closure(path).items():
            node = self.nodes[inner]
            if _has(node, "patternProperties"):
                total += times * sum(map(self._price, node["patternProperties"]))
            if _has(node, "propertyNames"):
                names = (*inner, "propertyNames")
                total += times * (self.reading(names) + self.cost(names) / STRING_STEP)
        return total

    def _names_checked(self, path: Path) -> int:
        nodes = (
            (inner, times) for inner, times in self.closure(path).items() if _has(self.nodes[inner], "propertyNames")
        )
        return sum(times * self.cost((*inner, "propertyNames")) for inner, times in nodes)

    def _hashed(self, path: Path) -> int:
        nodes = ((self.nodes[inner], times) for inner, times in self.closure(path).items())
        return sum(times for node, times in nodes if _has(node, "uniqueItems") and node["uniqueItems"] is True)

    def _closed(self, path: Path) -> Counter[Path]:
        """A subschema and all that it applies to the same value, directly or not, with how often."""
        closed: Counter[Path] = Counter({path: 1})
        for inner in self._here[path]:
            closed.update(self.closure(inner))
        return closed

    def _weighed(self, path: Path) -> int:
        return sum(times * _weight(self.nodes[inner]) for inner, times in self.closure(path).items())

    def _applied(self, path: Path) -> Iterator[Path]:
        """What a subschema itself applies to the same value, once for each time."""
        node = self.nodes[path]
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
    """What one application costs: values are compared, and each missing name is a problem of its own."""
    if isinstance(node, bool):
        return 1
    names = [node.get("required"), *_lists(node.get("dependentRequired"))]
    required = sum(weight(each) - 1 for each in names if isinstance(each, list))
    values = weight([node.get("enum"), node.get("const")])
    return 1 + required + values // ENUM_STEP + (DIVIDING if "multipleOf" in node else 0)


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
