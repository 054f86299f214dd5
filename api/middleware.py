"""What every reply has, also the ones that nobody wrote on purpose."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import internal
from api.ids import new_request_id
from api.observing import QUIET, count, server_span
from api.trace import remember, trace_id

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""A reply that sets one of these itself keeps its own."""

_REQUEST_ID = re.compile(r"[ -~]{1,128}")


def remember_headers(request: Request, headers: Mapping[str, str]) -> None:
    """Have the reply to this request carry these headers too."""
    request.state.headers = headers


class EveryReply:
    """Gives each request its id, its trace and a log line; each reply its id, safe headers, and a typed body if the
    code behind it raises. A plain ASGI wrapper, so that it neither buffers nor loses a client's disconnect."""

    def __init__(self, app: ASGIApp, hsts_s: int = 0) -> None:
        """With `hsts_s` browsers are told to come over TLS only, for so many seconds."""
        self._app = app
        self._always = {**SECURITY_HEADERS, **({"strict-transport-security": f"max-age={hsts_s}"} if hsts_s else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = choose_request_id(headers.get("x-request-id"))
        with server_span(scope, headers.get("traceparent")) as trace:
            remember(scope, trace)
            with structlog.contextvars.bound_contextvars(request=request_id, trace=trace_id(trace)):
                await self._logged(scope, receive, _Reply(send, scope, request_id, trace_id(trace), self._always))

    async def _logged(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        began = time.perf_counter()
        try:
            await self._guarded(scope, receive, reply)
        finally:
            say = log.debug if scope["path"] in QUIET else log.info
            took_s = time.perf_counter() - began
            count(scope, reply.status, took_s)
            say(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=reply.status,
                duration_ms=round(took_s * 1000, 1),
                **_whose(scope),
            )
            structlog.contextvars.unbind_contextvars("run")

    async def _guarded(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        try:
            await self._app(scope, receive, reply)
        except Exception as error:
            log.error("unhandled_error", exc_info=error)
            if reply.status is not None:
                raise  # half a reply is out; only the server can cut it off
            await internal().reply()(scope, receive, reply)


def _whose(scope: Scope) -> dict[str, str]:
    """The project and the id of the key, where one was needed."""
    caller = scope.get("state", {}).get("caller")
    return {"project": caller.project, "key": caller.key} if caller is not None and caller.key else {}


class _Reply:
    """`send`, adding to the head of the reply and remembering its status."""

    def __init__(self, send: Send, scope: Scope, request_id: str, trace: str, always: Mapping[str, str]) -> None:
        self._send = send
        self._scope = scope
        self._request_id = request_id
        self._trace = trace
        self._always = always
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            headers["x-trace-id"] = self._trace
            for name, value in {**self._scope.get("state", {}).get("headers", {}), **self._always}.items():
                headers.setdefault(name, value)
        await self._send(message)


def choose_request_id(header: str | None) -> str:
    """The client's own id if it is printable ASCII of at most 128 characters, else a new one."""
    return header if header is not None and _REQUEST_ID.fullmatch(header) else new_request_id()
