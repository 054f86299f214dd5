"""An answer in the form that the client asked for: JSON, read strictly and checked against the client's own schema."""

from __future__ import annotations

import json
from typing import Any

import orjson

from agent.checks.json_schema import JsonSchema, compiled
from agent.checks.mending import unwrapped
from agent.checks.parsing import MOST_CHARS, too_deep
from agent.items import FinishReason, TextFormat


def structured(raw: str, finish_reason: FinishReason, form: TextFormat) -> str | list[str]:
    """The JSON text that a model's words hold, as it wrote it, or up to eight problems in words for the model.

    If the words are not JSON and the model came to its own end, a code fence, thoughts or prose around one object are
    taken off. What was cut off is taken as it is or not at all.
    """
    if len(raw) > MOST_CHARS:
        return [f"the answer is longer than {MOST_CHARS:,} characters; be shorter"]
    text = unwrapped(raw).text if finish_reason == "stop" else raw
    try:
        value = unambiguous(text)
    except ValueError as error:
        return [f"the answer is not {_wanted(form)}: {error}"]
    return too_deep(value) or _problems(value, form) or text.strip()


def unambiguous(text: str) -> Any:
    """The value of a JSON text that every parser reads in the same way.

    Raises `ValueError` for what is not JSON, and for a name that an object has twice.
    """
    try:
        orjson.loads(text)  # refuses what Python's own parser lets pass: NaN, infinite numbers, lone surrogates
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def schema_of(form: TextFormat) -> JsonSchema | None:
    """The client's schema, compiled; None where it gave none. Raises `BadSchema`."""
    return None if form.json_schema is None else compiled(form.json_schema)


def _problems(value: Any, form: TextFormat) -> list[str]:
    if form.type == "json_object" and not isinstance(value, dict):
        return ["the answer is JSON, but no object"]
    schema = schema_of(form)
    return [] if schema is None else schema.problems(value)


def _wanted(form: TextFormat) -> str:
    return "one JSON object" if form.type == "json_object" else "one JSON value"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same name twice")
    return found
