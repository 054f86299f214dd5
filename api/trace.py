"""The trace a request belongs to, as W3C Trace Context (https://www.w3.org/TR/trace-context/) writes it."""

from __future__ import annotations

import os
import re

from starlette.requests import Request
from starlette.types import Scope

_SCOPE_KEY = "cuelight.traceparent"
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def accept_traceparent(header: str | None) -> str:
    """The caller's `traceparent` if it is a valid one, else a new one of ours, sampled."""
    if header is not None and _TRACEPARENT.fullmatch(header):
        return header
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def trace_id(traceparent: str) -> str:
    """The trace's 32 hex digits; empty if `traceparent` is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return found[1] if found else ""


def remember(scope: Scope, traceparent: str) -> None:
    scope[_SCOPE_KEY] = traceparent


def traceparent_of(request: Request) -> str:
    """The `traceparent` that the middleware chose for this request."""
    chosen: str = request.scope[_SCOPE_KEY]
    return chosen
