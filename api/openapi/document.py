"""`/openapi.json`: what this service takes and tells, put together once."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import answers, asked, chats, refusals
from api.openapi.paths import PATHS
from api.openapi.words import TEXT

_HEADERS: dict[str, Any] = {
    "x-request-id": {"description": "Stands in the log lines of the request.", "required": True, "schema": TEXT},
    "x-trace-id": {"description": "The trace that the request belongs to.", "required": True, "schema": TEXT},
    "retry-after": {"description": "Seconds.", "required": True, "schema": TEXT},
    "www-authenticate": {"required": True, "schema": {"const": "Bearer"}},
}


def document() -> dict[str, Any]:
    """The description of every call that is offered."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Cuelight",
            "version": version("cuelight"),
            "summary": "One checked answer for one request to a language model.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": PATHS,
        "components": {
            "schemas": {**refusals.SCHEMAS, **asked.SCHEMAS, **chats.SCHEMAS, **answers.SCHEMAS},
            "headers": _HEADERS,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Needed below `/v1/` from the moment on that there is a first key.",
                }
            },
        },
    }


async def show(request: Request) -> Response:
    """GET /openapi.json"""
    return Response(_bytes(), media_type="application/json")


@cache
def _bytes() -> bytes:
    return orjson.dumps(document())
