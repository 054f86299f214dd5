"""Content of messages and results: text, images and files, from the shapes in which clients send them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from agent.items import FilePart, ImagePart, Part, TextPart
from api.body import join
from api.errors import ApiError, invalid, shown, unknown, unsupported

SPOKEN = ("output_text", "refusal")
"""What an assistant's message holds."""
HEARD = ("input_text", "input_image", "input_file")
"""What everybody else's message holds, and what a function brought."""

_OTHERS = {"input_video", "input_audio", "computer_screenshot", "summary_text", "reasoning_text"}
_TEXT_KEY = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
_MORE_KEYS = {"output_text": {"annotations", "logprobs"}}
_DETAILS = ("auto", "low", "high", "original")
_IMAGE_URL = re.compile(r"(?:https?://[^\s/]|data:image/)", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://[^\s/]", re.IGNORECASE)


class Content(NamedTuple):
    """All text, and the parts in order if one of them is no text."""

    text: str
    parts: tuple[Part, ...] = ()


def read_content(value: Any, path: str, kinds: Sequence[str]) -> Content:
    """The content at `path`, of parts of these kinds. Raises `ApiError` 400 by JSON path."""
    if isinstance(value, str):
        return Content(value)
    if not isinstance(value, list):
        raise invalid(path, "must be a string or an array of content parts")
    parts = tuple(_part(part, join(path, place), kinds) for place, part in enumerate(value))
    text = "\n".join(part.text for part in parts if isinstance(part, TextPart))
    return Content(text, () if all(isinstance(part, TextPart) for part in parts) else parts)


def read_object(value: Any, path: str) -> dict[str, Any]:
    """An object without its empty fields: what a client got from us comes back with its library's."""
    if not isinstance(value, dict):
        raise invalid(path, "must be an object")
    return {key: inner for key, inner in value.items() if inner is not None}


def refuse_more(item: dict[str, Any], known: set[str], path: str) -> None:
    """Raises `ApiError` 400 for a key that nobody knows."""
    for key in item:
        if key not in known:
            raise unknown(join(path, key))


def other_kind(kind: Any, path: str, known: set[str], kinds: Sequence[str]) -> ApiError:
    """400 for a type that is not one of `kinds`: one that the API has, or none."""
    if isinstance(kind, str) and kind in known:
        return unsupported(path, f"{shown(kind)!r}")
    return invalid(path, f"must be {' or '.join(kinds)}")


def read_text(part: dict[str, Any], key: str, path: str) -> str:
    """The string at a key. Raises `ApiError` 400."""
    text = part.get(key)
    if not isinstance(text, str):
        raise invalid(join(path, key), "must be a string")
    return text


def _part(value: Any, path: str, kinds: Sequence[str]) -> Part:
    part = read_object(value, path)
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise other_kind(kind, join(path, "type"), _OTHERS, kinds)
    if kind == "input_image":
        return _image(part, path)
    if kind == "input_file":
        return _file(part, path)
    key = _TEXT_KEY[kind]
    refuse_more(part, {"type", key} | _MORE_KEYS.get(kind, set()), path)
    return TextPart(text=read_text(part, key, path))


def _image(part: dict[str, Any], path: str) -> ImagePart:
    if "file_id" in part:
        raise unsupported(join(path, "file_id"), "a stored file")
    refuse_more(part, {"type", "image_url", "detail"}, path)
    url, detail = read_text(part, "image_url", path), part.get("detail")
    if not _IMAGE_URL.match(url):
        raise invalid(join(path, "image_url"), "must be an address on the web or a data: URL of an image")
    if detail is not None and detail not in _DETAILS:
        raise invalid(join(path, "detail"), f"must be one of {', '.join(_DETAILS)}")
    return ImagePart(image_url=url, detail=detail)


def _file(part: dict[str, Any], path: str) -> FilePart:
    if "file_id" in part:
        raise unsupported(join(path, "file_id"), "a stored file")
    refuse_more(part, {"type", "filename", "file_data", "file_url"}, path)
    found = {key: read_text(part, key, path) for key in ("filename", "file_data", "file_url") if key in part}
    if ("file_data" in found) is ("file_url" in found):
        raise invalid(path, "must have file_data or file_url")
    if "file_url" in found and not _WEB_URL.match(found["file_url"]):
        raise invalid(join(path, "file_url"), "must be an address on the web")
    return FilePart(**found)
