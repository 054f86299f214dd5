"""A client's JSON Schema taken apart: its subschemas, and what it may hold at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Part = str | int
Path = tuple[Part, ...]
Node = dict[str, Any] | bool
Nodes = Mapping[Path, Node]

MOST_DEPTH = 48
"""Levels of JSON."""
MOST_SCHEMAS = 2_000
"""Subschemas, wherever they stand."""
MOST_PATTERNS = 32
MOST_PATTERN_CHARS = 1_000

DIALECTS = frozenset(
    f"{scheme}://json-schema.org/{draft}"
    for scheme in ("http", "https")
    for draft in ("draft/2020-12/schema", "draft/2019-09/schema", "draft-07/schema", "draft-06/schema")
)
"""What `$schema` may say. Whatever it says, a schema is read as Draft 2020-12."""
_OTHERS = {
    "$recursiveRef": "use $ref",
    "$recursiveAnchor": "use $anchor",
    "additionalItems": "use prefixItems and items",
    "dependencies": "use dependentRequired or dependentSchemas",
    "$vocabulary": "it belongs into meta-schemas",
}
"""Keywords that are refused: 2020-12 would pass over those of older drafts, and nobody can count what others make."""

HERE = ("not", "if", "then", "else")
"""Keywords with a schema for the same value; those of `HERE_LISTS` have several."""
HERE_LISTS = ("allOf", "anyOf", "oneOf")
_BELOW = (
    "additionalProperties",
    "items",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contentSchema",
)
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")


class BadSchema(ValueError):
    """A schema that is none, or that is refused. `path` leads to the place, from the schema's root."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem


def subschemas(root: dict[str, Any]) -> Nodes:
    """Every subschema by its path. Raises `BadSchema` if one is none, is not supported, or if there is too much."""
    _refuse_depth(root)
    nodes: dict[Path, Node] = {}
    ahead: list[tuple[Path, Any]] = [((), root)]
    while ahead:
        path, node = ahead.pop()
        nodes[path] = node
        _refuse_keywords(path, node)
        ahead.extend(_children(path, node))
        if len(nodes) + len(ahead) > MOST_SCHEMAS:
            raise BadSchema((), f"has more than {MOST_SCHEMAS} subschemas")
    _refuse_patterns(nodes)
    return nodes


def children_here(path: Path, node: dict[str, Any]) -> Iterator[Path]:
    """The subschemas inside one that are for the same value, whatever it is."""
    yield from ((*path, name) for name in HERE if name in node)
    yield from ((*path, name, place) for name in HERE_LISTS for place in range(len(node.get(name, ()))))
    yield from ((*path, "dependentSchemas", key) for key in node.get("dependentSchemas", ()))


def children_below(path: Path, node: dict[str, Any], key: Part) -> Iterator[Path]:
    """The subschemas inside one that may be for what stands under `key` of the value."""
    if isinstance(key, int):
        names: tuple[str, ...] = ("contains", "items", "unevaluatedItems")
        if key < prefix_items(node):
            yield (*path, "prefixItems", key)
    else:
        names = ("additionalProperties", "unevaluatedProperties")
        if key in node.get("properties", {}):
            yield (*path, "properties", key)
        yield from ((*path, "patternProperties", pattern) for pattern in node.get("patternProperties", {}))
    yield from ((*path, name) for name in names if name in node)


def prefix_items(node: Node) -> int:
    """For how many of an array's first items a subschema has one of their own."""
    return len(node.get("prefixItems", ())) if isinstance(node, dict) else 0


def reaches_below(node: Node) -> bool:
    """Whether anything in a subschema is for what stands inside a value."""
    return isinstance(node, dict) and any(name in node for name in (*_BELOW, *_MAPS, "prefixItems"))


def _children(path: Path, node: Node) -> Iterator[tuple[Path, Any]]:
    """What stands under a keyword that nobody knows is no schema, and cannot be pointed to."""
    if isinstance(node, bool):
        return
    yield from (((*path, name), node[name]) for name in (*HERE, *_BELOW) if name in node)
    for name in (*HERE_LISTS, "prefixItems"):
        yield from (((*path, name, place), inner) for place, inner in enumerate(_typed(path, node, name, list)))
    for name in _MAPS:
        yield from (((*path, name, key), inner) for key, inner in _typed(path, node, name, dict).items())


def _typed(path: Path, node: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = node.get(name, kind())
    if not isinstance(value, kind):
        raise BadSchema((*path, name), f"must be an {'array' if kind is list else 'object'}")
    return value


def _refuse_depth(root: Any) -> None:
    level: list[Any] = [root]
    for _ in range(MOST_DEPTH):
        level = [inner for value in level if isinstance(value, dict | list) for inner in _values(value)]
    if any(isinstance(value, dict | list) for value in level):
        raise BadSchema((), f"is nested deeper than {MOST_DEPTH} levels")


def _values(value: dict[str, Any] | list[Any]) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)


def _refuse_keywords(path: Path, node: Any) -> None:
    if isinstance(node, bool):
        return
    if not isinstance(node, dict):
        raise BadSchema(path, "must be a schema: an object or a boolean")
    for name, instead in _OTHERS.items():
        if name in node:
            raise BadSchema((*path, name), f"is not supported: {instead}")
    if "$schema" in node and (path or str(node["$schema"]).rstrip("#") not in DIALECTS):
        raise BadSchema((*path, "$schema"), "must stand at the root and name a draft that is known")
    for name in ("$id", "$anchor", "$ref", "$dynamicAnchor", "$dynamicRef", "pattern"):
        if not isinstance(node.get(name, ""), str):
            raise BadSchema((*path, name), "must be a string")


def _refuse_patterns(nodes: Nodes) -> None:
    found = [place for path, node in nodes.items() if isinstance(node, dict) for place in _patterns(path, node)]
    if len(found) > MOST_PATTERNS:
        raise BadSchema((), f"has more than {MOST_PATTERNS} patterns")
    for path, pattern in found:
        if len(pattern) > MOST_PATTERN_CHARS:
            raise BadSchema(path, f"is a pattern of more than {MOST_PATTERN_CHARS} characters")


def _patterns(path: Path, node: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """The patterns of a subschema, each with its place."""
    if "pattern" in node:
        yield (*path, "pattern"), node["pattern"]
    yield from (((*path, "patternProperties", pattern), pattern) for pattern in node.get("patternProperties", ()))
