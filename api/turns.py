"""The `input` field: a string, or items in every form in which clients send them; to the messages of a request."""

from __future__ import annotations

from typing import Any

from agent.items import FunctionCall, ReasoningItem
from agent.request import Message, Role
from api.body import join
from api.errors import invalid, unsupported
from api.fields.tools import NAME
from api.parts import HEARD, SPOKEN, other_kind, read_content, read_object, read_text, refuse_more

MAX_MESSAGES = 500
MAX_CALL_ID_CHARS = 64

_ROLES: dict[str, Role] = {role: role for role in ("user", "assistant", "system", "developer")}
_KINDS = ("message", "function_call", "function_call_output", "reasoning", "item_reference")
_OTHERS = {
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "computer_call",
    "computer_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "shell_call",
    "shell_call_output",
    "web_search_call",
}


def read_turns(value: Any) -> list[Message]:
    """The items of `input`, oldest first, one message each. Raises `ApiError` 400 by JSON path."""
    if isinstance(value, str):
        return [Message(role="user", content=value)]
    if not isinstance(value, list):
        raise invalid("input", "must be a string or an array of items")
    if len(value) > MAX_MESSAGES:
        raise invalid("input", f"must hold no more than {MAX_MESSAGES} items")
    return [_item(item, join("input", place)) for place, item in enumerate(value)]


def is_reference(item: Any) -> bool:
    """Whether an item of the input only names another; some clients leave its type out."""
    return isinstance(item, dict) and kind_of(item) == "item_reference"


def kind_of(item: dict[str, Any]) -> Any:
    """An item's type. Without one it is a message, or a reference if it has an id and no role."""
    kind = item.get("type")
    if kind is not None:
        return kind
    return "item_reference" if item.get("role") is None and item.get("id") is not None else "message"


def _item(value: Any, path: str) -> Message:
    item = read_object(value, path)
    match kind_of(item):
        case "message":
            return _message(item, path)
        case "function_call":
            return _call(item, path)
        case "function_call_output":
            return _result(item, path)
        case "reasoning":
            return _thoughts(item, path)
        case "item_reference":
            raise invalid(join(path, "id"), "names no item of a stored response")
        case other:
            raise other_kind(other, join(path, "type"), _OTHERS, _KINDS)


def _message(item: dict[str, Any], path: str) -> Message:
    refuse_more(item, {"type", "role", "content", "id", "status", "phase"}, path)
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise invalid(join(path, "role"), f"must be one of {', '.join(_ROLES)}")
    kinds = {"assistant": SPOKEN, "user": HEARD}.get(role, HEARD[:1])
    content = read_content(item.get("content"), join(path, "content"), kinds)
    return Message(role=_ROLES[role], content=content.text, parts=content.parts)


def _call(item: dict[str, Any], path: str) -> Message:
    refuse_more(item, {"type", "call_id", "name", "arguments", "id", "status"}, path)
    name = read_text(item, "name", path)
    if not NAME.fullmatch(name):
        raise invalid(join(path, "name"), "must be 1 to 64 letters, digits, `_` and `-`")
    call = FunctionCall(call_id=_call_id(item, path), name=name, arguments=read_text(item, "arguments", path))
    return Message(role="assistant", content="", tool_calls=(call,))


def _result(item: dict[str, Any], path: str) -> Message:
    refuse_more(item, {"type", "call_id", "output", "id", "status"}, path)
    output = read_content(item.get("output"), join(path, "output"), HEARD)
    return Message(role="tool", content=output.text, parts=output.parts, tool_call_id=_call_id(item, path))


def _thoughts(item: dict[str, Any], path: str) -> Message:
    refuse_more(item, {"type", "summary", "content", "encrypted_content", "id", "status"}, path)
    if item.get("content", []) != []:
        raise unsupported(join(path, "content"), "the content of a reasoning item")
    where, listed = join(path, "summary"), item.get("summary", [])
    if not isinstance(listed, list):
        raise invalid(where, "must be an array")
    summary = tuple(_summary(part, join(where, place)) for place, part in enumerate(listed))
    secret = read_text(item, "encrypted_content", path) if "encrypted_content" in item else None
    return Message(role="assistant", content="", reasoning=ReasoningItem(summary=summary, encrypted_content=secret))


def _summary(value: Any, path: str) -> str:
    part = read_object(value, path)
    if part.get("type") != "summary_text":
        raise invalid(join(path, "type"), "must be summary_text")
    refuse_more(part, {"type", "text"}, path)
    return read_text(part, "text", path)


def _call_id(item: dict[str, Any], path: str) -> str:
    found = read_text(item, "call_id", path)
    if not 1 <= len(found) <= MAX_CALL_ID_CHARS:
        raise invalid(join(path, "call_id"), f"must have 1 to {MAX_CALL_ID_CHARS} characters")
    return found
