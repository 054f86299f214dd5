"""How a model's endpoint takes a request: what is tried first, and what is learned from a 400.

Endpoints that call themselves compatible differ in `response_format`, the name of the token limit, whether a
temperature may be given at all, how tools are chosen, and which of the newer fields they know. A refusal costs nothing,
so the answer to each is found by asking. `tools` are never left out: a model that takes none cannot be asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from agent.adapters.model.classify import Reply
from agent.adapters.model.complaint import Complaint, complaint
from agent.adapters.model.wire import Choosing, messages, tools, wishes
from agent.effects import CallModel
from agent.settings import Structured

Rung = Literal["json_schema", "json_object", "none"]
_BELOW: Mapping[Rung, Rung] = {"json_schema": "json_object", "json_object": "none"}
_ABOUT_FORMAT = ("response_format", "response format", "json_schema", "json_object", "structured output", "grammar")
_UNKNOWN = (
    "unsupported",
    "not support",
    "unknown",
    "unrecognized",
    "unexpected",
    "extra",
    "not permitted",
    "not allow",
)
"""Words of an endpoint that does not know a field at all."""
_TOGETHER: Mapping[str, frozenset[str]] = {
    name: frozenset({"logprobs", "top_logprobs"}) for name in ("logprobs", "top_logprobs")
}
_BY_NAME = ("properties", "$defs", "definitions")
_LITERAL = ("enum", "const", "examples")


@dataclass(frozen=True, slots=True)
class Shape:
    """What one model is known to take. `steps_down` is False where the settings name the rung."""

    rung: Rung = "json_schema"
    steps_down: bool = True
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    choosing: Choosing = "named"
    strict: bool = True
    parallel: bool = True
    without: frozenset[str] = frozenset()
    """Wishes that the endpoint does not know, by their names on the wire."""


def first_shape(structured: Structured) -> Shape:
    """Where to begin with a model that nothing is known of."""
    return Shape() if structured == "auto" else Shape(structured, steps_down=False)


def body(effect: CallModel, shape: Shape) -> dict[str, Any]:
    """The request as JSON; characters that are no text (lone surrogates) are replaced."""
    fields: dict[str, Any] = {
        "model": effect.model,
        "messages": messages(effect.messages),
        shape.limit: effect.max_output_tokens,
        **tools(effect, shape.choosing, strict=shape.strict, parallel=shape.parallel),
        **{name: value for name, value in wishes(effect.wishes).items() if name not in shape.without},
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
    return _about_tools(shape, effect, said) or _about_wishes(shape, effect, said)


def _about_tools(shape: Shape, effect: CallModel, said: Complaint) -> Shape | None:
    sent = tools(effect, shape.choosing, strict=shape.strict, parallel=shape.parallel)
    if "parallel_tool_calls" in sent and said.mentions("parallel_tool_calls"):
        return replace(shape, parallel=False)
    if "tool_choice" in sent and said.mentions("tool_choice", "tool choice"):
        rung: Choosing = "mode" if isinstance(sent["tool_choice"], dict) else "auto"
        return replace(shape, choosing=rung)
    if shape.strict and any("strict" in tool["function"] for tool in sent.get("tools", ())) and said.mentions("strict"):
        return replace(shape, strict=False)
    return None


def _about_wishes(shape: Shape, effect: CallModel, said: Complaint) -> Shape | None:
    """Without the wish that the endpoint does not know. One whose value it does not like is the client's to mend."""
    if not said.mentions(*_UNKNOWN):
        return None
    for name in wishes(effect.wishes):
        if name not in shape.without and said.names(name):
            return replace(shape, without=shape.without | _TOGETHER.get(name, {name}))
    return None


def _about_format(shape: Shape, effect: CallModel, said: Complaint) -> bool:
    sent = effect.output_schema is not None and shape.rung in _BELOW
    return sent and shape.steps_down and said.mentions(*_ABOUT_FORMAT)


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
