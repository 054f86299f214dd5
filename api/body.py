"""A request's body: read up to a limit, parsed, and free of what no store takes. Nothing in here knows any field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from starlette.requests import Request

from api.errors import ApiError, invalid

MAX_DEPTH = 64
"""Levels of JSON; a JSON Schema, the deepest thing that the API knows, may have 48 of them."""

DROPPED_BODIES = 8
"""How much of a body that is too large is received all the same, in bodies of the largest size."""


async def read_json(request: Request, max_bytes: int) -> Any:
    """The body as JSON values.

    Raises `ApiError`: 415 for another media type or an encoded body, 413 as soon as more than `max_bytes` are
    announced or read, 400 for what is not JSON, too deep, or text that cannot be stored.
    """
    _require_json(request)
    value = parse(await _read(request, max_bytes))
    refuse_unstorable(value)
    return value


def parse(body: bytes) -> Any:
    """JSON as values. Raises `ApiError` 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate in string" in error.msg:
            problem = "The body has half of a surrogate pair in it, which is no character"
        else:
            problem = "The body is not JSON"
        raise invalid(None, f"{problem}: {error}") from None


def refuse_unstorable(value: Any) -> None:
    """Raises `ApiError` 400 for NUL in any text and for nesting beyond `MAX_DEPTH`; iterative, so depth cannot hurt."""
    rest: list[tuple[str, int, Any]] = [("", 1, value)]
    while rest:
        path, depth, item = rest.pop()
        if isinstance(item, str):
            if "\x00" in item:
                raise invalid(path or None, "must not hold the NUL character (U+0000)")
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise invalid(None, f"The body is nested deeper than {MAX_DEPTH} levels")
            rest.extend((place, depth + 1, inner) for place, inner in _inside(path, item))


def join(path: str, part: str | int) -> str:
    """The JSON path of a part: `input[0].content`."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    return f"{path}.{part}" if path else part


def _inside(path: str, item: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    pairs: Iterable[tuple[str | int, Any]] = item.items() if isinstance(item, dict) else enumerate(item)
    for key, inner in pairs:
        if isinstance(key, str) and "\x00" in key:
            raise invalid(path or None, "a name must not hold the NUL character (U+0000)")
        yield join(path, key), inner


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        message = f"The body must be application/json, not {media_type or 'without a content-type'}"
        raise ApiError(415, message, code="unsupported_media_type", param="content-type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        message = "The body must be sent as it is, without a content-encoding"
        raise ApiError(415, message, code="unsupported_media_type", param="content-encoding")


async def _read(request: Request, max_bytes: int) -> bytes:
    if _announced(request) > max_bytes:
        raise await _too_large(request, max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise await _too_large(request, max_bytes)
    return bytes(body)


def _announced(request: Request) -> int:
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isdecimal() else 0


async def _too_large(request: Request, max_bytes: int) -> ApiError:
    """413. A connection that is closed while its client still sends is reset, and the client may never read why; so a
    body that is not much too large is received, and dropped, first."""
    message, most = f"The body is larger than {max_bytes} bytes", max_bytes * DROPPED_BODIES
    waits = request.headers.get("expect", "").lower() == "100-continue"
    received = not waits and _announced(request) <= most and await _dropped(request, most)
    headers = None if received else {"connection": "close"}
    return ApiError(413, message, code="request_too_large", headers=headers)


async def _dropped(request: Request, most: int) -> bool:
    """Whether the rest of a body had come to its end before `most` bytes."""
    async for chunk in request.stream():
        most -= len(chunk)
        if most < 0:
            return False
    return True
