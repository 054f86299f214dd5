"""How a model's endpoint takes a request: what is tried first, and what is learned from a 400.

Endpoints that call themselves compatible differ in `response_format`, the name of the token limit, whether a
temperature may be given at all, how tools are chosen, and which of the newer fields they know. A refusal costs nothing,
so the answer to each is found by asking. `tools` are never left out: a model that takes none cannot be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from agent.adapters.model.classify import Reply
from agent.adapters.model.complaint import Complaint, complaint
from agent.adapters.model.forms import BELOW, Rung, in_words, response_format, rung_of
from agent.adapters.model.wire import Choosing, messages, tools, wishes
from agent.effects import CallModel
from agent.settings import Structured

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
Limit = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What one model is known to take. `steps_down` is False where the settings name the rung."""

    rung: Rung = "json_schema_strict"
    steps_down: bool = True
    limit: Limit = "max_tokens"
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
    rung = rung_of(effect, shape.rung)
    fields: dict[str, Any] = {
        "model": effect.model,
        "messages": _with_words(messages(effect.messages), in_words(effect, rung)),
        shape.limit: effect.max_output_tokens,
        **tools(effect, shape.choosing, strict=shape.strict, parallel=shape.parallel),
        **{name: value for name, value in wishes(effect.wishes).items() if name not in shape.without},
    }
    if effect.temperature is not None and shape.temperature:
        fields["temperature"] = effect.temperature
    if (wanted := response_format(effect, rung)) is not None:
        fields["response_format"] = wanted
    return fields


def _with_words(said: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    """With more words of the system, which stand in its first message."""
    if not words:
        return said
    if said and said[0]["role"] == "system":
        return [{**said[0], "content": f"{said[0]['content']}\n\n{words}"}, *said[1:]]
    return [{"role": "system", "content": words}, *said]


def adapted(shape: Shape, effect: CallModel, reply: Reply) -> Shape | None:
    """The shape to try next if `reply` refuses this one because of a field that we can do without; else None."""
    if reply.status not in (400, 422):
        return None
    said = complaint(reply.body)
    if shape.limit == "max_tokens" and said.mentions("max_completion_tokens"):
        return replace(shape, limit="max_completion_tokens")
    if _about_format(shape, effect, said):
        return replace(shape, rung=BELOW[rung_of(effect, shape.rung)])
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
    sent = rung_of(effect, shape.rung) in BELOW
    return sent and shape.steps_down and said.mentions(*_ABOUT_FORMAT)
