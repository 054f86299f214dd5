"""The few words in which the description is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
NOTHING: Schema = {"type": "null"}
ANYTHING: Schema = {}


def ref(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(*values: Any) -> Schema:
    """One of these values."""
    return {"enum": list(values)}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, NOTHING]}


def either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def array(of: Schema, **limits: Any) -> Schema:
    return {"type": "array", "items": of, **limits}


def taken(needs: Mapping[str, Schema], may: Mapping[str, Schema] | None = None) -> Schema:
    """An object of a request: with these, perhaps those, and beside them nothing but null."""
    optional = {name: or_null(schema) if schema else schema for name, schema in (may or {}).items()}
    return {
        "type": "object",
        "properties": {**needs, **optional},
        "required": list(needs),
        "additionalProperties": NOTHING,
    }


def told(has: Mapping[str, Schema], may: Mapping[str, Schema] | None = None) -> Schema:
    """An object of a reply. Later releases may tell more."""
    return {"type": "object", "properties": {**has, **(may or {})}, "required": list(has)}


def as_json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def reply(description: str, content: Schema) -> Schema:
    """A reply with what every reply has."""
    return {"description": description, "headers": EVERY, "content": content}


EVERY: Mapping[str, Any] = {name: {"$ref": f"#/components/headers/{name}"} for name in ("x-request-id", "x-trace-id")}
