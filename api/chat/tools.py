"""Functions, their choice and the form of the answer: what chats nest one level deeper than responses do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.body import join
from api.errors import invalid
from api.parts import other_kind, read_object, refuse_more


def read_tools(value: Any) -> Any:
    """The functions of a chat as those of a response. Raises `ApiError` 400 by JSON path."""
    if not isinstance(value, list):
        return value
    return [_function(each, join("tools", place)) for place, each in enumerate(value)]


def read_choice(value: Any) -> Any:
    """What the model has to do about them, as a response says it. Raises `ApiError` 400 by JSON path."""
    if not isinstance(value, dict):
        return value
    if value.get("type") != "allowed_tools":
        return _function(value, "tool_choice")
    refuse_more(read_object(value, "tool_choice"), {"type", "allowed_tools"}, "tool_choice")
    path = "tool_choice.allowed_tools"
    allowed = read_object(value.get("allowed_tools"), path)
    refuse_more(allowed, {"mode", "tools"}, path)
    listed = allowed.get("tools")
    if not isinstance(listed, list):
        raise invalid(join(path, "tools"), "must be an array of tools")
    tools = [_function(each, join(join(path, "tools"), place)) for place, each in enumerate(listed)]
    return {"type": "allowed_tools", "mode": allowed.get("mode"), "tools": tools}


def read_format(value: Any) -> Any:
    """The form of the answer as a response says it. Raises `ApiError` 400 by JSON path."""
    if value is None:
        return None
    form = read_object(value, "response_format")
    if form.get("type") != "json_schema":
        _one_of(form, ("text", "json_object", "json_schema"))
        refuse_more(form, {"type"}, "response_format")
        return form
    refuse_more(form, {"type", "json_schema"}, "response_format")
    inner = read_object(form.get("json_schema"), "response_format.json_schema")
    refuse_more(inner, {"name", "description", "schema", "strict"}, "response_format.json_schema")
    return {**inner, "type": "json_schema"}


def _one_of(form: dict[str, Any], kinds: Sequence[str]) -> None:
    kind = form.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise invalid("response_format.type", f"must be one of {', '.join(kinds)}")


def _function(value: Any, path: str) -> dict[str, Any]:
    """What stands under `function`, beside its type."""
    tool = read_object(value, path)
    if tool.get("type") != "function":
        raise other_kind(tool.get("type"), join(path, "type"), {"custom", "grammar"}, ["function"])
    refuse_more(tool, {"type", "function"}, path)
    inner = read_object(tool.get("function"), join(path, "function"))
    if "type" in inner:
        refuse_more(inner, set(), join(path, "function"))
    return {**inner, "type": "function"}
