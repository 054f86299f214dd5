"""The `input` field: a string, or message items in every form in which clients send them; to plain messages."""

from __future__ import annotations

from typing import Any

from agent.request import Message, Role
from api.body import join
from api.errors import ApiError, invalid, shown, unknown, unsupported

MAX_MESSAGES = 500

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_ITEM_KEYS = {"type", "role", "content", "id", "status", "phase"}
_OTHER_ITEMS = {"function_call", "function_call_output", "reasoning", "item_reference", "compaction"}
_OTHER_PARTS = {"input_image", "input_file", "input_video", "input_audio"}
_TEXT_KEY = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
_MORE_PART_KEYS = {"output_text": {"annotations", "logprobs"}}
_SPOKEN = ("output_text", "refusal")
_HEARD = ("input_text",)


def read_turns(value: Any) -> list[Message]:
    """The messages of `input`, oldest first; a developer's are the system's. Raises `ApiError` 400 by JSON path."""
    if isinstance(value, str):
        return [Message(role="user", content=value)]
    if not isinstance(value, list):
        raise invalid("input", "must be a string or an array of messages")
    if len(value) > MAX_MESSAGES:
        raise invalid("input", f"must hold no more than {MAX_MESSAGES} messages")
    return [_message(item, join("input", place)) for place, item in enumerate(value)]


def _message(value: Any, path: str) -> Message:
    item = _object(value, path)
    kind = item.get("type", "message")
    if kind != "message":
        raise _other_kind(kind, join(path, "type"), _OTHER_ITEMS, ("message",))
    _refuse_more(item, _ITEM_KEYS, path)
    role = _role(item.get("role"), join(path, "role"))
    kinds = _SPOKEN if role == "assistant" else _HEARD
    return Message(role=role, content=_content(item.get("content"), join(path, "content"), kinds))


def _role(value: Any, path: str) -> Role:
    if isinstance(value, str) and value in _ROLES:
        return _ROLES[value]
    raise invalid(path, f"must be one of {', '.join(_ROLES)}")


def _content(value: Any, path: str, kinds: tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise invalid(path, "must be a string or an array of content parts")
    return "\n".join(_part(part, join(path, place), kinds) for place, part in enumerate(value))


def _part(value: Any, path: str, kinds: tuple[str, ...]) -> str:
    part = _object(value, path)
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise _other_kind(kind, join(path, "type"), _OTHER_PARTS, kinds)
    key = _TEXT_KEY[kind]
    _refuse_more(part, {"type", key} | _MORE_PART_KEYS.get(kind, set()), path)
    text = part.get(key)
    if not isinstance(text, str):
        raise invalid(join(path, key), "must be a string")
    return text


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(path, "must be an object")
    # What a client got from us and sends back carries its library's empty fields along.
    return {key: inner for key, inner in value.items() if inner is not None}


def _refuse_more(item: dict[str, Any], known: set[str], path: str) -> None:
    for key in item:
        if key not in known:
            raise unknown(join(path, key))


def _other_kind(kind: Any, path: str, known: set[str], kinds: tuple[str, ...]) -> ApiError:
    if isinstance(kind, str) and kind in known:
        return unsupported(path, f"{shown(kind)!r}")
    return invalid(path, f"must be {' or '.join(kinds)}")
