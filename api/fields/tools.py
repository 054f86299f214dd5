"""`tools` and `tool_choice`: functions of the client, and what the model has to do about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from agent.items import FunctionTool, ToolChoice
from api.body import join
from api.errors import invalid, shown, unknown, unsupported
from api.fields.schema import read_schema
from api.fields.search import is_search

MOST_TOOLS = 128
MOST_BYTES = 262_144
"""Of all tools together, as JSON."""
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_HOSTED = {
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "custom",
    "image_generation",
    "local_shell",
    "mcp",
    "namespace",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
    "web_search",
    "web_search_preview",
}
_TOOL_KEYS = {"type", "name", "description", "parameters", "strict"}
_MODES = {"auto", "none", "required"}


def read_tools(value: Any) -> tuple[FunctionTool, ...]:
    """The functions that a request offers; `read_search` reads what else it may hold.

    Raises `ApiError` 400 by JSON path, also for a schema that is none.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise invalid("tools", "must be an array of tools")
    if len(value) > MOST_TOOLS:
        raise invalid("tools", f"must hold no more than {MOST_TOOLS} tools")
    if len(orjson.dumps(value)) > MOST_BYTES:
        raise invalid("tools", f"must be no larger than {MOST_BYTES} bytes together")
    listed = [(place, each) for place, each in enumerate(value) if not is_search(each)]
    tools = tuple(_tool(each, join("tools", place)) for place, each in listed)
    for nth, ((place, _), tool) in enumerate(zip(listed, tools, strict=True)):
        if any(other.name == tool.name for other in tools[:nth]):
            raise invalid(join(join("tools", place), "name"), f"there are two tools called {tool.name!r}")
    return tools


def read_choice(value: Any, tools: Sequence[FunctionTool]) -> ToolChoice:
    """What the model has to do about these tools. Raises `ApiError` 400, also for a choice that cannot be kept."""
    if value is None:
        return ToolChoice()
    if isinstance(value, str) and value in _MODES:
        return _keepable(ToolChoice.model_validate({"mode": value}), tools)
    if not isinstance(value, dict):
        raise invalid("tool_choice", f"must be {', '.join(sorted(_MODES))}, a function or allowed_tools")
    if value.get("type") == "allowed_tools":
        return _keepable(_allowed(value), tools)
    return _keepable(ToolChoice(mode="required", names=(_named(value, "tool_choice"),), form="function"), tools)


def _tool(value: Any, path: str) -> FunctionTool:
    tool = _function(value, path, _TOOL_KEYS)
    description, strict = tool.get("description"), tool.get("strict")
    if not isinstance(description, str | None):
        raise invalid(join(path, "description"), "must be a string")
    if not isinstance(strict, bool | None):
        raise invalid(join(path, "strict"), "must be true or false")
    parameters = _schema(tool.get("parameters"), join(path, "parameters"))
    return FunctionTool(name=tool["name"], description=description, parameters=parameters, strict=strict)


def _schema(value: Any, path: str) -> str | None:
    if isinstance(value, dict) and value.get("type", "object") != "object":
        raise invalid(join(path, "type"), "must be 'object': the arguments of a function are one")
    return read_schema(value, path)


def _allowed(value: Mapping[str, Any]) -> ToolChoice:
    _refuse_more(value, {"type", "mode", "tools"}, "tool_choice")
    mode, listed = value.get("mode", "auto"), value.get("tools")
    if mode not in ("auto", "required"):
        raise invalid("tool_choice.mode", "must be auto or required")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_TOOLS:
        raise invalid("tool_choice.tools", f"must be an array of 1 to {MOST_TOOLS} tools")
    named = [_named(each, join("tool_choice.tools", place)) for place, each in enumerate(listed)]
    return ToolChoice(mode=mode, names=tuple(dict.fromkeys(named)), form="allowed_tools")


def _named(value: Any, path: str) -> str:
    name: str = _function(value, path, {"type", "name"})["name"]
    return name


def _function(value: Any, path: str, keys: set[str]) -> dict[str, Any]:
    """An object of type `function` with a name and no keys but these."""
    if not isinstance(value, dict):
        raise invalid(path, "must be an object")
    kind = value.get("type")
    if isinstance(kind, str) and kind in _HOSTED:
        raise unsupported(join(path, "type"), f"the tool type {shown(kind)!r}")
    if kind != "function":
        raise invalid(join(path, "type"), "must be function")
    _refuse_more(value, keys, path)
    name = value.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise invalid(join(path, "name"), "must be 1 to 64 letters, digits, `_` and `-`")
    return value


def _refuse_more(value: Mapping[str, Any], keys: set[str], path: str) -> None:
    for key, inner in value.items():
        if key not in keys and inner is not None:
            raise unknown(join(path, key))


def _keepable(choice: ToolChoice, tools: Sequence[FunctionTool]) -> ToolChoice:
    known = {tool.name for tool in tools}
    for name in choice.names or ():
        if name not in known:
            raise invalid("tool_choice", f"there is no tool {name!r} in tools")
    if choice.mode == "required" and not tools:
        raise invalid("tool_choice", "wants a tool called, and tools offers none")
    return choice
