"""How an answer's form is asked for: as a field that the endpoint enforces, or in words where it takes none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson

from agent.adapters.model.tightening import tight
from agent.adapters.model.wire import sendable
from agent.effects import CallModel

Rung = Literal["json_schema_strict", "json_schema", "json_object", "none"]
BELOW: Mapping[Rung, Rung] = {
    "json_schema_strict": "json_schema",
    "json_schema": "json_object",
    "json_object": "none",
}

_ONE_OBJECT = "Reply with one JSON object and nothing else: no other words, and no code fence around it."
_ONE_VALUE = "Reply with one JSON value and nothing else: no other words, and no code fence around it."


def rung_of(effect: CallModel, highest: Rung) -> Rung:
    """How a call's form is asked for, where an endpoint goes no further up than `highest`."""
    if effect.output_schema is None and effect.form.type == "text":
        return "none"
    if effect.form.type == "json_object":
        return highest if highest == "none" else "json_object"
    if highest == "json_schema_strict" and tight(schema_of(effect)) is None:
        return "json_schema"
    return highest


def schema_of(effect: CallModel) -> str:
    """The JSON Schema that the answer is to have, as JSON: the client's, or else the agent's own."""
    return effect.form.json_schema or effect.output_schema or "{}"


def response_format(effect: CallModel, rung: Rung) -> dict[str, Any] | None:
    """The field of the request, None for none."""
    if rung == "none":
        return None
    if rung == "json_object":
        return {"type": "json_object"}
    named: dict[str, Any] = {"name": effect.form.name or "answer"}
    if effect.form.description is not None:
        named["description"] = sendable(effect.form.description)
    strict = tight(schema_of(effect)) if rung == "json_schema_strict" else None
    if strict is None:
        return {"type": "json_schema", "json_schema": {**named, "schema": orjson.loads(schema_of(effect))}}
    return {"type": "json_schema", "json_schema": {**named, "strict": True, "schema": strict.schema}}


def in_words(effect: CallModel, rung: Rung) -> str:
    """What the model is told of a client's form because the endpoint does not enforce it; empty where it does.

    Agents' own prompts speak of their own forms. `json_object` is refused by endpoints if nobody mentions JSON.
    """
    form = effect.form
    if form.type == "json_object":
        return _ONE_OBJECT
    if form.type == "text" or form.json_schema is None or _is_said(form.json_schema, rung):
        return ""
    return f"{_ONE_VALUE} It must be valid under this JSON Schema:\n{sendable(form.json_schema)}"


def _is_said(schema: str, rung: Rung) -> bool:
    """Whether the field says all of the schema. A strict form leaves out what strict modes do not take."""
    if rung == "json_schema_strict":
        strict = tight(schema)
        return strict is not None and strict.whole
    return rung == "json_schema"
