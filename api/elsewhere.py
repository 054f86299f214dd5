"""Parts of OpenAI's API that are known and not offered: they are refused by name, so that nobody looks for a typo."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from api.errors import ApiError

_EVERY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def routes() -> Sequence[BaseRoute]:
    """Where they would be."""
    return [
        Route("/v1/responses/compact", _compact, methods=["POST"]),
        Route("/v1/conversations", _conversations, methods=_EVERY),
        Route("/v1/conversations/{rest:path}", _conversations, methods=_EVERY),
        Route("/v1/responses", _upgrade, methods=["GET"]),
    ]


def not_offered(what: str, instead: str) -> ApiError:
    """404 for a call that the API has and this service does not; `instead` is what to do."""
    return ApiError(404, f"{what} is not supported yet; {instead}", code="unsupported_endpoint")


async def _compact(request: Request) -> Response:
    raise not_offered("/v1/responses/compact", "`truncation` shortens a conversation")


async def _conversations(request: Request) -> Response:
    raise not_offered("/v1/conversations", "`previous_response_id` goes on from a stored response")


async def _upgrade(request: Request) -> Response:
    """A server that speaks no WebSocket hands the request for one on as a GET."""
    if request.headers.get("upgrade", "").lower() == "websocket":
        raise not_offered("A WebSocket at /v1/responses", "send the request with POST, and `stream` for a stream")
    raise ApiError(405, "GET /v1/responses is not allowed", code="method_not_allowed", headers={"allow": "POST"})
