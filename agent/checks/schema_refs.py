"""Where the references of a client's JSON Schema lead: to subschemas of its own, by pointer, name or identifier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from agent.checks.schema_walk import BadSchema, Node, Nodes, Path
from agent.checks.telling import pointer

NAMES = ("$anchor", "$dynamicAnchor")
_NOT_FETCHED = "must point into this schema, such as #/$defs/name; nothing is fetched"
_NOWHERE = "points to no subschema of this schema"


class References:
    """The places that references can lead to. Raises `BadSchema` if two of them have one name."""

    def __init__(self, nodes: Nodes) -> None:
        self._bases: dict[Path, str] = {}
        self._resources: dict[str, Path] = {}
        self._named: dict[tuple[str, str], Path] = {}
        self._dynamic: dict[str, list[Path]] = defaultdict(list)
        self._pointers = {pointer(path): path for path in nodes}
        for path in sorted(nodes, key=len):
            self._add(path, nodes[path])

        self.by_identifier = len(self._resources) > 1 or any(map(_names_a_resource, nodes.values()))
        """Whether it takes the identifiers of the schema and its parts to follow its references."""

    def leads(self, path: Path, node: Mapping[str, Any]) -> Iterator[Path]:
        """The subschemas that a subschema's references may lead to. Raises `BadSchema` if that is none of this schema.

        Which one a dynamic reference leads to, the way to it decides; so it is every one that has the name.
        """
        if "$ref" in node:
            yield self._target(path, "$ref", node["$ref"])
        if "$dynamicRef" in node:
            first = self._target(path, "$dynamicRef", node["$dynamicRef"])
            name = unquote(urldefrag(node["$dynamicRef"]).fragment)
            yield from dict.fromkeys([first, *self._dynamic.get(name, ())])

    def _add(self, path: Path, node: Node) -> None:
        base = self._base_above(path)
        if isinstance(node, dict) and "$id" in node:
            base = self._opened(path, urldefrag(_joined(base, node["$id"])))
        elif not path:
            self._resources[""] = path
        self._bases[path] = base
        for kind in NAMES:
            if isinstance(node, dict) and kind in node:
                self._name(path, kind, base, node[kind])

    def _opened(self, path: Path, identifier: Any) -> str:
        if identifier.fragment:
            raise BadSchema((*path, "$id"), "must have no fragment")
        base = str(identifier.url)
        if self._resources.setdefault(base, path) != path:
            raise BadSchema((*path, "$id"), "is the identifier of another part of this schema")
        return base

    def _name(self, path: Path, kind: str, base: str, name: str) -> None:
        if self._named.setdefault((base, name), path) != path:
            raise BadSchema((*path, kind), "is the name of another subschema")
        if kind == "$dynamicAnchor":
            self._dynamic[name].append(path)

    def _base_above(self, path: Path) -> str:
        """What identifiers below are relative to: the identifier of the nearest subschema around that has one."""
        above = path
        while above:
            above = above[:-1]
            if above in self._bases:
                return self._bases[above]
        return ""

    def _target(self, path: Path, keyword: str, reference: str) -> Path:
        whole, fragment = urldefrag(_joined(self._bases[path], reference))
        root = self._resources.get(whole)
        if root is None:
            raise BadSchema((*path, keyword), _NOT_FETCHED)
        fragment = unquote(fragment)
        if not fragment or fragment.startswith("/"):
            target = self._pointers.get(pointer(root) + fragment)
        else:
            target = self._named.get((whole, fragment))
        if target is None:
            raise BadSchema((*path, keyword), _NOWHERE)
        return target


def _names_a_resource(node: Node) -> bool:
    references = (node.get("$ref", "#"), node.get("$dynamicRef", "#")) if isinstance(node, dict) else ()
    return not all(reference.startswith("#") for reference in references)


def _joined(base: str, reference: str) -> str:
    """A reference as an identifier. A URN has no parts that another one could be relative to."""
    return urldefrag(base).url + reference if reference.startswith("#") or not reference else urljoin(base, reference)
