"""Requests that come again: by the key that their caller gave them, or by what a client library says of itself."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import orjson
from starlette.requests import Request

from agent.errors import KeyTaken
from agent.ports import OnceKey
from api.access import caller_of
from api.errors import ApiError, invalid

KEY_HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 255
_KEY = re.compile(rf"[ -~]{{1,{MAX_KEY_CHARS}}}")
_RETRIES = re.compile(r"[0-9]{1,6}")


def once_key(request: Request, body: Any, lives_s: float) -> OnceKey | None:
    """The caller's idempotency key with the hash of this body. Raises `ApiError` 400 for one that cannot be a key."""
    given = request.headers.getlist(KEY_HEADER)
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise invalid(KEY_HEADER, f"must be one value of 1 to {MAX_KEY_CHARS} printable ASCII characters")
    return OnceKey(given[0], sha256(canonical(body)).digest(), lives_s)


def fingerprint(request: Request, body: Any) -> bytes:
    """What a request without an idempotency key is known by: who asks, and for what.

    Where no API key is needed, clients are told apart by whatever they send as one.
    """
    caller = caller_of(request).key or request.headers.get("authorization", "")
    return sha256(sha256(caller.encode("utf-8", "surrogateescape")).digest() + canonical(body)).digest()


def is_retry(request: Request) -> bool:
    """Whether OpenAI's client says that it has sent this request before."""
    count = request.headers.get("x-stainless-retry-count", "")
    return _RETRIES.fullmatch(count) is not None and int(count) > 0


def canonical(body: Any) -> bytes:
    """The same bytes for the same JSON value, whatever the order of its names and the white space in between."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def taken(error: KeyTaken) -> ApiError:
    """409: the key stands for another request, and will for as long as it lives."""
    message = "This idempotency key was used for a request with another body; take a new key for a new request"
    return ApiError(409, message, code="idempotency_key_reused", param=KEY_HEADER)
