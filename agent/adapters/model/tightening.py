"""JSON Schemas as strict modes want them, and answers as if they had not been made so strict.

Strict modes take a part of JSON Schema only: every object is closed and every property required. What may be missing
can be null instead, and comes back as missing. All this only tells a model what to write: the answer is checked whole
against the schema as it was given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

MOST_NODES = 2_000
"""Subschemas of a tightened schema: references that are written out can make many of few."""
MOST_TEXT_CHARS = 1_000_000

_SAID = frozenset({"title", "description", "enum", "const", "pattern", "multipleOf", "minItems", "maxItems"})
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_KEPT = _SAID | _NUMBERS
_NAMED = ("$defs", "definitions")
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_SILENT = frozenset(
    {"default", "examples", "example", "$schema", "$id", "$comment", "deprecated", "readOnly", "writeOnly"}
    | {"discriminator", "contentEncoding", "contentMediaType"}
)
"""What says nothing about what is right. Anything else that is left out is told in words instead."""
_INEXPRESSIBLE = frozenset(
    {"if", "then", "else", "dependentSchemas", "patternProperties", "prefixItems", "$anchor", *_NAMED}
)
"""Without these a schema would promise something else."""
_BARE = frozenset({"title", "default", "deprecated", "$comment", "examples"})
"""What beside a reference is not worth writing out what it points to."""


class Tight(NamedTuple):
    """A schema in strict form; `whole` unless something of it has to be said in words."""

    schema: dict[str, Any]
    whole: bool


class _CannotBe(ValueError):
    """The schema promises what strict modes cannot say."""


@lru_cache(maxsize=256)
def tight(text: str) -> Tight | None:
    """A JSON Schema (as JSON) in strict form; None if it has none. The result is shared: do not change it."""
    try:
        root = orjson.loads(text)
        named = {name: root.pop(name) for name in _NAMED if name in root}
        tightening = _Tightening({**root, **named})
        if "$ref" in root:
            root = {**tightening.target(root.pop("$ref")), **root}
        if not _is_object(root):
            return None
        schema = tightening.of(root)
        for name, inner in named.items():
            schema[name] = {key: tightening.of(each) for key, each in inner.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return Tight(schema, tightening.whole)


def loosened(text: str, schema: str) -> str:
    """The JSON text that a strict mode made, without the nulls of what may be missing and must not be null.

    What is no JSON, or has none of them, stays as it is.
    """
    if "null" not in text or len(text) > MOST_TEXT_CHARS:
        return text
    try:
        orjson.loads(text)
        value, root = json.loads(text), orjson.loads(schema)
        found = list(_Loosening(root).forced(value, [root]))
    except (ValueError, RecursionError):
        return text
    for inner, name in found:
        inner.pop(name, None)
    return json.dumps(value, ensure_ascii=False) if found else text


def _is_object(schema: Mapping[str, Any]) -> bool:
    closed = schema.get("type", "object") == "object" and isinstance(schema.get("properties"), dict)
    return closed and "anyOf" not in schema and "oneOf" not in schema


class _Tightening:
    """One schema being tightened; `whole` until something is left out that says what is right."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.whole = True
        self._root = root
        self._nodes = 0

    def of(self, schema: Any, expanding: tuple[str, ...] = ()) -> dict[str, Any]:
        """A subschema in strict form. Raises `_CannotBe`."""
        self._nodes += 1
        if self._nodes > MOST_NODES or not isinstance(schema, dict) or not _INEXPRESSIBLE.isdisjoint(schema):
            raise _CannotBe
        if "$ref" in schema:
            return self._reference(schema, expanding)
        if "allOf" in schema:
            (only,) = schema["allOf"]
            return self.of(_joined(only, {key: each for key, each in schema.items() if key != "allOf"}), expanding)
        return self._written(schema, expanding)

    def target(self, name: Any) -> dict[str, Any]:
        """What a reference of this schema points to. Raises `_CannotBe`."""
        return dict(_target(self._root, name))

    def _reference(self, schema: dict[str, Any], expanding: tuple[str, ...]) -> dict[str, Any]:
        """A reference stands alone; what stood beside it goes with what it points to, written out."""
        name = schema["$ref"]
        beside = {key: value for key, value in schema.items() if key != "$ref" and key not in _BARE}
        if not beside or (name in expanding and beside.keys() == {"description"}):
            return {"$ref": name}
        if name in expanding:
            raise _CannotBe
        return self.of(_joined(self.target(name), beside), (*expanding, name))

    def _written(self, schema: dict[str, Any], expanding: tuple[str, ...]) -> dict[str, Any]:
        made = {key: value for key, value in schema.items() if key in _KEPT}
        if schema.get("format") in _FORMATS:
            made["format"] = schema["format"]
        branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        if "anyOf" in schema and "oneOf" in schema:
            raise _CannotBe
        if branches:
            made["anyOf"] = [self.of(branch, expanding) for branch in branches]
        kinds = schema.get("type", "object" if "properties" in schema else None)
        if kinds is not None:
            made["type"] = kinds
        elif not branches and not {"enum", "const"} & schema.keys():
            raise _CannotBe  # it takes anything
        made |= self._inside(schema, kinds if isinstance(kinds, list) else [kinds], expanding)
        self._forget(schema, made)
        return made

    def _inside(self, schema: dict[str, Any], kinds: list[Any], expanding: tuple[str, ...]) -> dict[str, Any]:
        inside: dict[str, Any] = {}
        if "object" in kinds:
            inside |= self._closed(schema, expanding)
        if "array" in kinds:
            inside["items"] = self.of(schema.get("items"), expanding)
        return inside

    def _closed(self, schema: dict[str, Any], expanding: tuple[str, ...]) -> dict[str, Any]:
        properties, others = schema.get("properties"), schema.get("additionalProperties", True)
        if not properties or not isinstance(others, bool):
            raise _CannotBe  # whoever wants names that nobody knows must not be given none
        required = schema.get("required", ())
        if not set(required) <= properties.keys():
            raise _CannotBe
        made = {name: self.of(inner, expanding) for name, inner in properties.items()}
        made |= {name: _or_null(made[name]) for name in made if name not in required}
        return {"properties": made, "required": list(made), "additionalProperties": False}

    def _forget(self, schema: dict[str, Any], made: Mapping[str, Any]) -> None:
        known = {*made, *_SILENT, "oneOf" if "discriminator" in schema else ""}
        self.whole = self.whole and schema.keys() <= known


def _joined(schema: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    """Two schemas for one value as one. Raises `_CannotBe` if both say the same thing in their own way."""
    if schema.keys() & beside.keys() - {"title", "description", *_SILENT}:
        raise _CannotBe
    return {**schema, **beside}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if "enum" in schema or "const" in schema or not isinstance(kind, str):
        return schema if _takes_null(schema) else {"anyOf": [schema, {"type": "null"}]}
    return schema if kind == "null" else {**schema, "type": [kind, "null"]}


def _takes_null(schema: Any, root: Mapping[str, Any] | None = None, hops: int = 16) -> bool:
    """Whether null may be right here; where that is hard to tell, it may."""
    if not isinstance(schema, dict) or hops == 0:
        return True
    if "$ref" in schema:
        return root is not None and _takes_null(_target(root, schema["$ref"]), root, hops - 1)
    kinds = schema.get("type")
    if kinds is not None:
        return kinds == "null" or (isinstance(kinds, list) and "null" in kinds)
    if "enum" in schema or "const" in schema:
        return None in schema.get("enum", [schema.get("const", "")])
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if branches:
        return any(_takes_null(branch, root, hops - 1) for branch in branches)
    return not isinstance(schema.get("properties"), dict)


def _target(root: Mapping[str, Any], name: Any) -> Any:
    """What a reference points to. Raises `_CannotBe`."""
    if not isinstance(name, str) or not name.startswith("#"):
        raise _CannotBe
    found: Any = root
    for part in name[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise _CannotBe
        found = found[key]
    return found


class _Loosening:
    """Finds nulls that a strict form forced. What applies where is worked out once for each place of the schema."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._told: dict[tuple[tuple[int, ...], str | None], tuple[list[Any], bool]] = {}

    def forced(self, value: Any, schemas: list[Any]) -> Iterator[tuple[dict[str, Any], str]]:
        """Where null stands for a property that may be missing and must not be null, whichever alternative is meant."""
        if isinstance(value, list):
            items, _ = self._below(schemas, None)
            for inner in value:
                yield from self.forced(inner, items)
        elif isinstance(value, dict):
            for name, inner in value.items():
                told, optional = self._below(schemas, name)
                if inner is not None:
                    yield from self.forced(inner, told)
                elif optional:
                    yield value, name

    def _below(self, schemas: list[Any], name: str | None) -> tuple[list[Any], bool]:
        """The schemas for a property (for items without a name), and whether null can only mean that it is missing."""
        place = (tuple(map(id, schemas)), name)
        if place not in self._told:
            every = self._every(schemas)
            if name is None:
                told = [node["items"] for node in every if "items" in node]
                self._told[place] = (told, False)
            else:
                saying = [node for node in every if name in node.get("properties", {})]
                told = [node["properties"][name] for node in saying]
                needed = any(name in node.get("required", ()) for node in saying)
                null = any(_takes_null(each, self._root) for each in told)
                self._told[place] = (told, bool(told) and not needed and not null)
        return self._told[place]

    def _every(self, schemas: list[Any]) -> list[dict[str, Any]]:
        """All subschemas that may apply to a value: those that references and combinations lead to, each once."""
        ahead, found = list(schemas), dict[int, dict[str, Any]]()
        while ahead:
            node = ahead.pop()
            if not isinstance(node, dict) or id(node) in found:
                continue
            found[id(node)] = node
            ahead += [inner for name in ("anyOf", "oneOf", "allOf") for inner in node.get(name, ())]
            if "$ref" in node:
                ahead.append(_target(self._root, node["$ref"]))
        return list(found.values())
