"""Who asks: found out from the API key alone, before anything else is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.access import KEY_BEGINS, Book, Limits, Project, Role
from agent.errors import Transient
from agent.ports import DEFAULT_PROJECT
from api.errors import ApiError, unavailable
from api.keyring import Keyring

LOCKED = "/v1/"
METRICS = "/metrics"
CONNECTIONS = ("http", "websocket")
POLICY_VIOLATION = 1008
MAX_KEY_CHARS = 512
UNLIMITED = Limits()
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is. `key` is the id of the key, None where none is needed."""

    rules: Project
    """What the project may use."""
    key: str | None = None
    role: Role = "user"
    limits: Limits = UNLIMITED
    """The key's own, beside those of the project."""

    @property
    def project(self) -> str:
        """The id of the project: all that the caller sees and makes belongs to it."""
        return self.rules.id


def caller_of(request: Request) -> Caller:
    """Whose request it is, as `Gate` found out."""
    caller: Caller = request.state.caller
    return caller


class Gate:
    """Lets requests through to `/v1/` that have a key, once there is one, and tells everybody behind whose they are.

    A plain ASGI wrapper. What cannot be found out while the ledger is away is a 503, never a 401.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in CONNECTIONS and scope["path"].startswith((LOCKED, METRICS)):
            try:
                caller = await self._caller(scope)
            except ApiError as error:
                await _turn_away(error, scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller | None:
        """None for figures that are told on this machine only. Raises `ApiError` 401, 403 or 503."""
        figures = scope["path"].startswith(METRICS)
        if figures and is_local(scope):
            return None
        try:
            caller = await known(self._keyring, Headers(scope=scope))
        except Transient as error:
            raise unavailable("The service cannot reach its store; try again.") from error
        if figures and caller.role != "operator":
            raise ApiError(403, "This takes a key of the role operator", code="insufficient_permissions")
        return caller


async def _turn_away(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await error.reply()(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})  # the server makes a 403 of it


async def known(keyring: Keyring, headers: Headers) -> Caller:
    """Who asks. Raises `ApiError` 401, and `Transient` if nobody can tell now."""
    presented = bearer(headers)
    ours = presented is not None and presented.startswith(KEY_BEGINS)
    # The first key of all may have been made a moment ago, and whoever has it must not be taken for anybody.
    found = await keyring.find(presented) if presented and (ours or (await keyring.book()).locked) else None
    book = await keyring.book()
    if not book.locked:
        return Caller(_default(book), role="operator")
    if found is None:
        raise refused(presented)
    key, project = found
    return Caller(project, key.id, key.role, key.limits)


def bearer(headers: Headers) -> str | None:
    """The key that a request presents: `Authorization: Bearer ...`."""
    given = headers.getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, key = given[0].partition(" ")
    key = key.strip()
    return key if scheme.lower() == "bearer" and 0 < len(key) <= MAX_KEY_CHARS else None


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine, and from nobody else through a proxy on it."""
    headers, client = Headers(scope=scope), scope.get("client")
    if client is None or any(name in headers for name in _FORWARDED):
        return False
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return False


def refused(presented: str | None) -> ApiError:
    """401, in OpenAI's words for it as far as programs read them."""
    if presented is None:
        problem = "This service wants an API key: send it as 'Authorization: Bearer KEY'"
    else:
        problem = "This API key is not known here, has expired, or was revoked"
    return ApiError(401, problem, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _default(book: Book) -> Project:
    return book.projects.get(DEFAULT_PROJECT) or Project(DEFAULT_PROJECT)
