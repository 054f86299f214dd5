"""JSON Schemas in a request: compiled when they come in, so that a bad one opens no run."""

from __future__ import annotations

from typing import Any

import orjson

from agent.checks.json_schema import BadSchema, compiled
from api.body import join
from api.errors import invalid


def read_schema(value: Any, path: str) -> str | None:
    """A schema as JSON text, in the client's own order; None if there is none.

    Raises `ApiError` 400 naming the place in it that is wrong, or beyond the limits.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid(path, "must be a JSON Schema, as an object")
    text = orjson.dumps(value).decode()
    try:
        compiled(text)
    except BadSchema as error:
        for part in error.path:
            path = join(path, part)
        raise invalid(path, error.problem) from None
    return text
