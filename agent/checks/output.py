"""The form that an agent's answers have: a pydantic model, or a JSON Schema as a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel

from agent.checks.json_schema import BadSchema, compiled
from agent.checks.parsing import CUT_OFF, parse, schema
from agent.checks.structured import structured, unambiguous
from agent.items import FinishReason, TextFormat

Output = type[BaseModel] | Mapping[str, Any]
"""What a reply must parse into. A JSON Schema is read as Draft 2020-12 and checked whole."""


def output_schema(output: Output) -> str:
    """The JSON Schema of an output as JSON text; an author's own keeps its order, in which models write."""
    return schema(output) if isinstance(output, type) else orjson.dumps(dict(output)).decode()


def check_output(output: Output) -> None:
    """Raises `ValueError` in words for an author if this is no output, or a schema beyond the limits."""
    if isinstance(output, type) and issubclass(output, BaseModel):
        return
    if not isinstance(output, Mapping):
        raise ValueError("must be a pydantic model (the class), or a JSON Schema as a dict")
    try:
        compiled(output_schema(output))
    except TypeError as error:
        raise ValueError(f"is no JSON: {error}") from None
    except BadSchema as error:
        place = "/".join(map(str, error.path))
        raise ValueError(f"is no JSON Schema that can be used: /{place} {error.problem}") from None


def read_output(raw: str, finish_reason: FinishReason, output: Output) -> tuple[str, Any] | list[str]:
    """What a client reads and the value of it, or up to eight problems in words for the model. Raises nothing.

    The value is an object of the model; for a JSON Schema it is plain JSON, and the text is as the model wrote it.
    """
    if isinstance(output, type):
        value = parse(raw, finish_reason, output)
        return value if isinstance(value, list) else (value.model_dump_json(), value)
    form = TextFormat(type="json_schema", json_schema=output_schema(output))
    text = structured(raw, finish_reason, form)
    if isinstance(text, list):
        return [CUT_OFF] if finish_reason == "length" else text
    return text, unambiguous(text)
