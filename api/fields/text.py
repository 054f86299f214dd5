"""The `text` field: the form of the answer, and how many words it may take."""

from __future__ import annotations

from typing import Any

from agent.items import TextOptions
from api.body import join
from api.errors import invalid, unknown, unsupported

_VERBOSITY = ("low", "medium", "high")


def read_text(value: Any) -> TextOptions:
    """Raises `ApiError` 400 by JSON path."""
    if value is None:
        return TextOptions()
    if not isinstance(value, dict):
        raise invalid("text", "must be an object")
    for key, inner in value.items():
        if key not in ("format", "verbosity") and inner is not None:
            raise unknown(join("text", key))
    verbosity = value.get("verbosity")
    if verbosity is not None and verbosity not in _VERBOSITY:
        raise invalid("text.verbosity", f"must be one of {', '.join(_VERBOSITY)}")
    form = value.get("format")
    if form is not None and form != {"type": "text"}:
        raise unsupported("text", "'text' with a format other than plain text")
    return TextOptions(verbosity=verbosity)
