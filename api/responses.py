"""`/v1/responses`: open a run and wait for its ending; read a stored one."""

from __future__ import annotations

import asyncio
import re

import structlog
from starlette.requests import Request
from starlette.responses import Response

from agent.envelope import seal
from agent.errors import Transient
from agent.events import RequestReceived
from agent.pauses import INTAKE
from agent.ports import NewRun, Pointer, RunView
from agent.request import Request as AskedRequest
from api.admission import Admitted, admit
from api.body import read_json
from api.door import AgentCard, Door
from api.errors import CLIENT_GONE, NEVER_RETRY, ApiError, internal, json_reply, not_found, paused, unknown, unsupported
from api.projection import project
from api.trace import traceparent_of
from api.waiting import Waiters, unless_gone

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_ID = re.compile(r"resp_[0-9a-zA-Z]{1,64}")
_IDLE_QUERY = {"stream": "false", "include_obfuscation": "false", "starting_after": "", "include": "", "include[]": ""}
"""Parameters of the API's GET that are not supported yet, with the value that asks for nothing."""


class Responses:
    """The calls on responses."""

    def __init__(self, door: Door, waiters: Waiters) -> None:
        self._door = door
        self._waiters = waiters

    async def create(self, request: Request) -> Response:
        """POST /v1/responses: 200 with the Response object once the run has ended, however it ended."""
        for name in request.query_params:
            raise unknown(name)
        if "idempotency-key" in request.headers:
            raise unsupported("Idempotency-Key", "the header Idempotency-Key")
        body = await read_json(request, self._door.settings.max_body_bytes)
        new = self._new(admit(body, self._door), traceparent_of(request))
        if pause := self._door.paused().get(INTAKE):
            raise paused(pause.reason)
        with structlog.contextvars.bound_contextvars(run=new.id):
            await self._door.ledger.open(new)
            view = await unless_gone(self._ending(new), request.receive)
        return Response(status_code=CLIENT_GONE) if view is None else json_reply(project(view))

    async def retrieve(self, request: Request) -> Response:
        """GET /v1/responses/{id}: the stored response, as far as it has come."""
        for name, value in request.query_params.items():
            if name not in _IDLE_QUERY:
                raise unknown(name)
            if value != _IDLE_QUERY[name]:
                raise unsupported(name, f"the query parameter {name!r}")
        run = request.path_params["id"]
        view = await self._door.shelf.view(run, self._door.project) if _ID.fullmatch(run) else None
        if view is None or (not view.store and view.status != "in_progress"):
            raise not_found("There is no stored response with this id", code="response_not_found", param="id")
        return json_reply(project(view))

    def _new(self, admitted: Admitted, trace: str) -> NewRun:
        return new_run(self._door.new_id(), admitted.card, admitted.request, self._door.project, trace)

    async def _ending(self, new: NewRun) -> RunView:
        """The run once it has ended. Raises `ApiError` 504 if it has not by its deadline and a little more."""
        try:
            async with asyncio.timeout(new.deadline_s + self._door.grace_s), self._waiters.expect(new.id) as bell:
                await self._publish(new.pointer)
                while True:
                    await bell.wait()
                    bell.clear()
                    if ended := await self._ended(new.id):
                        return ended
        except TimeoutError:
            if ended := await self._ended(new.id):
                return ended
            raise _late(new) from None

    async def _publish(self, pointer: Pointer) -> None:
        try:
            await self._door.streams.publish(pointer)
        except Exception as error:  # the run is safe in the ledger, and the relay publishes what nobody did
            log.warning("publish_failed", error=str(error), exc_info=not isinstance(error, Transient))

    async def _ended(self, run: str) -> RunView | None:
        try:
            view = await self._door.shelf.view(run, self._door.project)
        except Transient as error:
            log.warning("view_failed", error=str(error))  # the next look rings again
            return None
        if view is None:
            raise internal()
        return view if view.status != "in_progress" else None


def new_run(id: str, card: AgentCard, request: AskedRequest, project: str, trace: str) -> NewRun:
    """The run that a request opens. Raises `Unroutable` if no route of the agent takes the first event."""
    first = RequestReceived(agent=card.name)
    return NewRun(
        id=id,
        project=project,
        agent=card.name,
        agent_version=card.version,
        prompts=card.prompts,
        request=request.model_dump_json(),
        store=request.store,
        first=seal(first, agent=card.id, trace=trace),
        route=card.router.route(first).name,
        deadline_s=card.agent.budget.deadline_s,
        trace=trace,
    )


def _late(new: NewRun) -> ApiError:
    then = f"poll GET /v1/responses/{new.id}" if new.store else "it was not to be stored, so its answer is lost"
    message = f"Response {new.id} has not ended in time; {then}"
    headers = {"location": f"/v1/responses/{new.id}", **NEVER_RETRY}
    return ApiError(504, message, code="timeout", headers=headers)
