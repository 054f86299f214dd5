"""Every reply that is not what was asked for, as the one body that clients of the Responses API read.

`{"error": {"message", "type", "param", "code"}}`: `type` follows from the status, `code` is for programs and is never
renamed, `param` is the JSON path, query parameter or header at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from agent.errors import AgentError, Refused, Transient, Unfamiliar

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

CLIENT_GONE = 499
"""Nobody reads this reply: the client hung up first. The number is nginx's."""

NEVER_RETRY = {"x-should-retry": "false"}
"""Told with every reply that sending the same again cannot mend."""

PAUSED_RETRY_S = "10"
"""Pauses last longer than a hiccup; a client that is told this much tries again on its own."""

OVERLOADED_RETRY_S = "5"

_SHOWN_CHARS = 100

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


class ApiError(Exception):
    """A typed refusal or failure; raised anywhere behind the door, it becomes the reply."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = None if param is None else shown(param)
        self.headers = {**_advice(status), **(headers or {})}

    def body(self) -> dict[str, Any]:
        error = {"message": self.message, "type": _type(self.status), "param": self.param, "code": self.code}
        return {"error": error}

    def reply(self) -> Response:
        return json_reply(self.body(), self.status, self.headers)


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON, and nothing but `application/json`, as the Open Responses specification wants it."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def invalid(param: str | None, problem: str) -> ApiError:
    """400: `problem` says what is wrong with the value at `param`."""
    where = f"{shown(param)}: " if param else ""
    return ApiError(400, where + problem, code="invalid_request", param=param)


def unsupported(param: str, what: str, *, there: Sequence[str] = ()) -> ApiError:
    """400: the API knows this, and we do not do it yet; `what` completes the sentence `... is not supported yet`.

    `there` are the values that are taken instead, if they are few.
    """
    instead = f"; there is {', '.join(there)}" if there else ""
    return ApiError(400, f"{what} is not supported yet{instead}", code="unsupported_parameter", param=param)


def unknown(param: str) -> ApiError:
    """400: nobody knows this parameter. It is refused rather than ignored."""
    return ApiError(400, f"Unknown parameter: {shown(param)!r}", code="unknown_parameter", param=param)


def not_found(message: str, *, code: str = "not_found", param: str | None = None) -> ApiError:
    return ApiError(404, message, code=code, param=param)


def no_response() -> ApiError:
    """404: there is none with this id, or nobody may read it any more."""
    return not_found("There is no stored response with this id", code="response_not_found", param="id")


def unavailable(message: str) -> ApiError:
    """503: nothing was done; the same request may succeed in a second."""
    return ApiError(503, message, code="unavailable")


def paused(reason: str) -> ApiError:
    """503: an operator has stopped the intake of new requests; nothing was done."""
    why = f": {shown(reason)}" if reason else ""
    message = f"The operator of this service has paused new requests{why}. Those that were accepted go on."
    return ApiError(503, message, code="intake_paused", headers={"retry-after": PAUSED_RETRY_S})


def overloaded(oldest_s: float) -> ApiError:
    """503: what was let in before has waited too long already; nothing was done."""
    message = f"The service is behind with its work by {oldest_s:.0f} s and takes no new requests; try again soon"
    return ApiError(503, message, code="overloaded", headers={"retry-after": OVERLOADED_RETRY_S})


def internal() -> ApiError:
    """500: a bug of ours. The log knows more; the client does not need to."""
    return ApiError(500, "The service made a mistake; it has been logged.", code="server_error")


def shown(value: str) -> str:
    """A client's own words, short enough to be given back in a message."""
    return value if len(value) <= _SHOWN_CHARS else value[:_SHOWN_CHARS] + "…"


def handlers() -> dict[int | type[Exception], Handler]:
    """What each kind of exception becomes."""
    return {
        ApiError: _typed,
        HTTPException: _framework,
        AgentError: _behind,
        Refused: _unstorable,
        ClientDisconnect: _hung_up,
    }


def _type(status: int) -> str:
    if status >= 500:
        return "server_error"
    return {404: "not_found", 429: "too_many_requests"}.get(status, "invalid_request_error")


def _advice(status: int) -> dict[str, str]:
    """What a client library does best with such a reply: it would repeat any 409 and 5xx by itself."""
    if status in (429, 503):
        return {"retry-after": "1"}
    return {} if status == 408 else NEVER_RETRY


async def _typed(request: Request, error: ApiError) -> Response:
    return error.reply()


async def _framework(request: Request, error: HTTPException) -> Response:
    asked = f"{request.method} {shown(request.url.path)}"
    message = {404: f"There is nothing at {asked}", 405: f"{asked} is not allowed"}.get(error.status_code, error.detail)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    return ApiError(error.status_code, message, code=code, headers=error.headers).reply()


async def _behind(request: Request, error: AgentError) -> Response:
    if isinstance(error, Transient):
        log.warning("store_unavailable", error=str(error))
        return unavailable("The service cannot reach its store; try again.").reply()
    if isinstance(error, Unfamiliar):
        log.warning("newer_record", error=str(error))
        return unavailable("A newer release wrote this; this process cannot read it yet.").reply()
    log.error("unhandled_error", exc_info=error)
    return internal().reply()


async def _unstorable(request: Request, error: Refused) -> Response:
    log.warning("request_refused_by_store", error=str(error))
    return invalid(None, "The request holds something that cannot be stored").reply()


async def _hung_up(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=CLIENT_GONE)
