"""The `text` field: the form of the answer, and how many words it may take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from agent.items import TextFormat, TextOptions
from api.body import join
from api.errors import invalid, unknown
from api.fields.schema import read_schema

_VERBOSITY = ("low", "medium", "high")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PATH = "text.format"
Kind: TypeAlias = Literal["text", "json_object", "json_schema"]


def read_text(value: Any) -> TextOptions:
    """Raises `ApiError` 400 by JSON path, also for a schema that is none or is beyond the limits."""
    if value is None:
        return TextOptions()
    options = _object(value, "text", {"format", "verbosity"})
    verbosity = options.get("verbosity")
    if verbosity is not None and verbosity not in _VERBOSITY:
        raise invalid("text.verbosity", f"must be one of {', '.join(_VERBOSITY)}")
    return TextOptions(format=_format(options.get("format")), verbosity=verbosity)


def _format(value: Any) -> TextFormat:
    if value is None:
        return TextFormat()
    if not isinstance(value, dict):
        raise invalid(_PATH, "must be an object")
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _FORMS:
        raise invalid(join(_PATH, "type"), f"must be one of {', '.join(_FORMS)}")
    return _FORMS[kind](value)


def _plain(kind: Kind) -> Callable[[Mapping[str, Any]], TextFormat]:
    def read(value: Mapping[str, Any]) -> TextFormat:
        _object(value, _PATH, {"type"})
        return TextFormat(type=kind)

    return read


def _schema_format(value: Mapping[str, Any]) -> TextFormat:
    form = _object(value, _PATH, {"type", "name", "description", "schema", "strict"})
    name, description, strict = form.get("name"), form.get("description"), form.get("strict")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise invalid(join(_PATH, "name"), "must be 1 to 64 letters, digits, `_` and `-`")
    if not isinstance(description, str | None):
        raise invalid(join(_PATH, "description"), "must be a string")
    if not isinstance(strict, bool | None):
        raise invalid(join(_PATH, "strict"), "must be true or false")
    if (schema := read_schema(form.get("schema"), join(_PATH, "schema"))) is None:
        raise invalid(join(_PATH, "schema"), "is required")
    return TextFormat(type="json_schema", name=name, description=description, json_schema=schema, strict=strict)


_FORMS: Mapping[str, Callable[[Mapping[str, Any]], TextFormat]] = {
    "text": _plain("text"),
    "json_object": _plain("json_object"),
    "json_schema": _schema_format,
}


def _object(value: Any, path: str, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise invalid(path, "must be an object")
    for key, inner in value.items():
        if key not in keys and inner is not None:
            raise unknown(join(path, key))
    return value
