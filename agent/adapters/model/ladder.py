"""How a model's endpoint takes a request: what is tried first, and what is learned from a 400.

Endpoints that call themselves compatible differ in three fields: `response_format`, the name of the token limit, and
whether a temperature may be given at all. A refusal costs nothing, so the answer to each is found by asking.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from agent.adapters.model.classify import Reply
from agent.adapters.model.complaint import Complaint, complaint
from agent.effects import CallModel
from agent.settings import Structured

Rung = Literal["json_schema", "json_object", "none"]
_BELOW: Mapping[Rung, Rung] = {"json_schema": "json_object", "json_object": "none"}
_ABOUT_FORMAT = ("response_format", "response format", "json_schema", "json_object", "structured output", "grammar")
_BY_NAME = ("properties", "$defs", "definitions")
_LITERAL = ("enum", "const", "examples")


@dataclass(frozen=True, slots=True)
class Shape:
    """What one model is known to take. `steps_down` is False where the settings name the rung."""

    rung: Rung = "json_schema"
    steps_down: bool = True
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True


def first_shape(structured: Structured) -> Shape:
    """Where to begin with a model that nothing is known of."""
    return Shape() if structured == "auto" else Shape(structured, steps_down=False)


def body(effect: CallModel, shape: Shape) -> dict[str, Any]:
    """The request as JSON; characters that are no text (lone surrogates) are replaced."""
    fields: dict[str, Any] = {
        "model": effect.model,
        "messages": [{"role": each.role, "content": _sendable(each.content)} for each in effect.messages],
        shape.limit: effect.max_output_tokens,
    }
    if effect.temperature is not None and shape.temperature:
        fields["temperature"] = effect.temperature
    if effect.output_schema is not None and shape.rung != "none":
        fields["response_format"] = _response_format(effect.output_schema, shape.rung)
    return fields


def adapted(shape: Shape, effect: CallModel, reply: Reply) -> Shape | None:
    """The shape to try next if `reply` refuses this one because of a field that we can do without; else None."""
    if reply.status not in (400, 422):
        return None
    said = complaint(reply.body)
    if shape.limit == "max_tokens" and said.mentions("max_completion_tokens"):
        return replace(shape, limit="max_completion_tokens")
    if _about_format(shape, effect, said):
        return replace(shape, rung=_BELOW[shape.rung])
    if shape.temperature and effect.temperature is not None and said.mentions("temperature"):
        return replace(shape, temperature=False)
    return None


def _about_format(shape: Shape, effect: CallModel, said: Complaint) -> bool:
    sent = effect.output_schema is not None and shape.rung in _BELOW
    return sent and shape.steps_down and said.mentions(*_ABOUT_FORMAT)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _response_format(schema: str, rung: Rung) -> dict[str, Any]:
    if rung == "json_object":
        return {"type": "json_object"}
    strict = {"name": "answer", "strict": True, "schema": tightened(json.loads(schema))}
    return {"type": "json_schema", "json_schema": strict}


def tightened(schema: Any) -> Any:
    """A JSON Schema as strict mode wants it: objects closed, every property required, no defaults, bare references.

    It only tells the model what to write; the answer is checked against the schema as it was given.
    """
    if isinstance(schema, list):
        return [tightened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    tight = {key: _tightened(key, value) for key, value in schema.items() if key != "default"}
    if isinstance(tight.get("properties"), dict):
        tight |= {"additionalProperties": False, "required": list(tight["properties"])}
    return tight


def _tightened(key: str, value: Any) -> Any:
    if key in _LITERAL:
        return value
    if key in _BY_NAME and isinstance(value, dict):
        return {name: tightened(each) for name, each in value.items()}
    return tightened(value)
