"""How an answer's form is asked for: as a field that the endpoint enforces, or in words where it takes none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from agent.adapters.model.wire import sendable
from agent.effects import CallModel

Rung = Literal["json_schema", "json_object", "none"]
BELOW: Mapping[Rung, Rung] = {"json_schema": "json_object", "json_object": "none"}

_ONE_OBJECT = "Reply with one JSON object and nothing else: no other words, and no code fence around it."
_ONE_VALUE = "Reply with one JSON value and nothing else: no other words, and no code fence around it."
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_LITERAL = ("enum", "const", "examples")
_LEFT_OUT = ("default", "$schema", "$id")


def rung_of(effect: CallModel, highest: Rung) -> Rung:
    """How a call's form is asked for, where an endpoint goes no further up than `highest`."""
    if effect.output_schema is None and effect.form.type == "text":
        return "none"
    return "json_object" if effect.form.type == "json_object" and highest == "json_schema" else highest


def response_format(effect: CallModel, rung: Rung) -> dict[str, Any] | None:
    """The field of the request, None for none."""
    if rung == "none":
        return None
    if rung == "json_object":
        return {"type": "json_object"}
    named: dict[str, Any] = {"name": effect.form.name or "answer"}
    if effect.form.description is not None:
        named["description"] = sendable(effect.form.description)
    schema = tightened(json.loads(effect.form.json_schema or effect.output_schema or "{}"))
    return {"type": "json_schema", "json_schema": {**named, "strict": True, "schema": schema}}


def in_words(effect: CallModel, rung: Rung) -> str:
    """What the model is told of a client's form because the endpoint does not enforce it; empty where it does.

    Agents' own prompts speak of their own forms. `json_object` is refused by endpoints if nobody mentions JSON.
    """
    form = effect.form
    if form.type == "json_object":
        return _ONE_OBJECT
    if form.type == "text" or form.json_schema is None or rung == "json_schema":
        return ""
    return f"{_ONE_VALUE} It must be valid under this JSON Schema:\n{sendable(form.json_schema)}"


def tightened(schema: Any) -> Any:
    """A JSON Schema as strict mode wants it: objects closed, every property required, no defaults, bare references.

    It only tells the model what to write; the answer is checked against the schema as it was given.
    """
    if isinstance(schema, list):
        return [tightened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"], **_defined(schema)}
    tight = {key: _tightened(key, value) for key, value in schema.items() if key not in _LEFT_OUT}
    if isinstance(tight.get("properties"), dict):
        tight |= {"additionalProperties": False, "required": list(tight["properties"])}
    return tight


def _defined(schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference at the root may point to stands beside it."""
    return {key: _tightened(key, schema[key]) for key in ("$defs", "definitions") if key in schema}


def _tightened(key: str, value: Any) -> Any:
    if key in _LITERAL:
        return value
    if key in _BY_NAME and isinstance(value, dict):
        return {name: tightened(each) for name, each in value.items()}
    return tightened(value)
