"""The `messages` of a chat, as the items of an input that they stand for. What is in them is read where items are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from api.body import join
from api.errors import invalid, unsupported
from api.parts import other_kind, read_object, refuse_more

_CARRIED = ("parsed", "provider_specific_fields")
"""What libraries (OpenAI's, litellm) put beside an answer and send back with it; it is none of the conversation."""
_ROLES = ("system", "developer", "user", "assistant", "tool")
_OTHER_PARTS = {"input_audio"}


class Item(NamedTuple):
    """An item, the place that it was read from, and where its own names lead there, if not to the same."""

    value: dict[str, Any]
    path: str
    names: Mapping[str, str] = {}


def read_messages(value: Any) -> list[Item]:
    """Raises `ApiError` 400 by JSON path for what is no message, or is one that cannot be handed on."""
    if value is None:
        raise invalid("messages", "is required")
    if not isinstance(value, list):
        raise invalid("messages", "must be an array of messages")
    return [item for place, message in enumerate(value) for item in _items(message, join("messages", place))]


def _items(value: Any, path: str) -> Iterator[Item]:
    message = read_object(value, path)
    role = message.get("role")
    if role == "function":
        raise unsupported(join(path, "role"), "'function', which was OpenAI's first form of 'tool',")
    if not isinstance(role, str) or role not in _ROLES:
        raise invalid(join(path, "role"), f"must be one of {', '.join(_ROLES)}")
    if role == "tool":
        yield _result(message, path)
    elif role == "assistant":
        yield from _spoken(message, path)
    else:
        _refuse(message, {"role", "content"}, path)
        yield Item({"role": role, "content": _content(message, path, "input_text")}, path, _IN_PARTS)


def _result(message: dict[str, Any], path: str) -> Item:
    # The name of the function is told by the call already; some clients repeat it.
    _refuse(message, {"role", "content", "tool_call_id", "name"}, path)
    brought = {"call_id": message.get("tool_call_id"), "output": _content(message, path, "input_text")}
    names = {"call_id": "tool_call_id", "output": "content", **_IN_PARTS}
    return Item({"type": "function_call_output", **brought}, path, names)


def _spoken(message: dict[str, Any], path: str) -> Iterator[Item]:
    """What the assistant said, and then what it called."""
    _refuse(message, {"role", "content", "refusal", "tool_calls", "annotations", *_CARRIED}, path)
    calls = message.get("tool_calls", [])
    if not isinstance(calls, list):
        raise invalid(join(path, "tool_calls"), "must be an array")
    content = _content(message, path, "output_text")
    if refusal := message.get("refusal"):
        content = [*_listed(content), {"type": "refusal", "refusal": refusal}]
    if content is not None and not (calls and content in ("", [])):
        yield Item({"role": "assistant", "content": content}, path, _IN_PARTS)
    elif not calls:
        raise invalid(join(path, "content"), "is required unless there are tool_calls")
    for place, call in enumerate(calls):
        yield _call(call, join(join(path, "tool_calls"), place))


def _call(value: Any, path: str) -> Item:
    call = _typed(value, path, "function")
    where = join(path, "function")
    function = read_object(call.get("function"), where)
    refuse_more(function, {"name", "arguments", "parsed_arguments"}, where)
    called = {"name": function.get("name"), "arguments": function.get("arguments")}
    names = {"call_id": "id", "name": "function.name", "arguments": "function.arguments"}
    return Item({"type": "function_call", "call_id": call.get("id"), **called}, path, names)


def _typed(value: Any, path: str, kind: str) -> dict[str, Any]:
    call = read_object(value, path)
    if call.get("type", kind) != kind:
        raise other_kind(call["type"], join(path, "type"), {"custom"}, [kind])
    refuse_more(call, {"type", "id", "index", kind}, path)
    return call


def _content(message: dict[str, Any], path: str, text_kind: str) -> Any:
    """The content in the words of an input; None if there is none."""
    content = message.get("content")
    if not isinstance(content, list):
        return content
    where = join(path, "content")
    return [_part(part, join(where, place), text_kind) for place, part in enumerate(content)]


def _part(value: Any, path: str, text_kind: str) -> dict[str, Any]:
    part = read_object(value, path)
    match part.get("type"):
        case "text":
            refuse_more(part, {"type", "text"}, path)
            return {"type": text_kind, "text": part.get("text")}
        case "refusal":
            return part
        case "image_url":
            return {"type": "input_image", **_inner(part, "image_url", {"url": "image_url"}, path)}
        case "file":
            return {"type": "input_file", **_inner(part, "file", {}, path)}
        case other:
            raise other_kind(other, join(path, "type"), _OTHER_PARTS, ("text", "image_url", "file"))


def _inner(part: dict[str, Any], key: str, names: Mapping[str, str], path: str) -> dict[str, Any]:
    """What stands under the part's own key, which the parts of an input do not have."""
    refuse_more(part, {"type", key}, path)
    inner = read_object(part.get(key), join(path, key))
    refuse_more(inner, _INNER[key], join(path, key))
    return {names.get(name, name): value for name, value in inner.items()}


_INNER = {"image_url": {"url", "detail"}, "file": {"filename", "file_data", "file_id"}}
_IN_PARTS = {
    "image_url": "image_url.url",
    "detail": "image_url.detail",
    **{name: f"file.{name}" for name in ("filename", "file_data", "file_id")},
}


def _listed(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "output_text", "text": content}] if content else []


def _refuse(message: dict[str, Any], known: set[str], path: str) -> None:
    for name in ("name", "audio", "function_call"):
        if name in message and name not in known:
            raise unsupported(join(path, name), f"{name!r} of a message")
    refuse_more(message, known, path)
