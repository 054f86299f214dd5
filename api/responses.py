"""`/v1/responses`: open a run and wait for its ending; read a stored one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response

from agent.ports import RunView
from agent.request import Request as AskedRequest
from api.access import caller_of
from api.admission import admit
from api.background import Background
from api.body import read_json
from api.calls import Calls
from api.cancelling import Cancelling
from api.door import Door
from api.endings import Endings
from api.errors import ApiError, json_reply, unknown
from api.foreground import Foreground
from api.opening import Opening
from api.patience import within
from api.projection import project
from api.reading import read_query
from api.references import resolved
from api.repeats import is_retry
from api.stored import stored
from api.streaming.sending import Streaming
from api.verdicts import with_verdicts


class Responses:
    """The calls on responses."""

    def __init__(self, door: Door, opening: Opening, endings: Endings, calls: Calls, cancelling: Cancelling) -> None:
        self._door = door
        self._opening = opening
        self._cancelling = cancelling
        self._foreground = Foreground(door, endings, calls)
        self._streaming = Streaming(door, endings, calls)
        self._background = Background(door, endings, calls)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What goes on beside the calls."""
        async with self._background.running():
            yield

    async def create(self, request: Request) -> Response:
        """POST /v1/responses: the Response object once the run has ended, however it ended; in the background at once;
        or its stream."""
        for name in request.query_params:
            raise unknown(name)
        body = await read_json(request, self._door.settings.max_body_bytes)
        caller = caller_of(request)
        admitted = admit(await resolved(body, self._door, caller.project), self._door, caller)
        new = await self._opening.pass_in(request, body, admitted)
        return await self._way(admitted.request).answer(new, request.receive, retry=is_retry(request))

    async def one(self, request: Request) -> Response:
        """GET and DELETE /v1/responses/{id}. Two routes of one path would each allow their own methods only."""
        return await (self.delete(request) if request.method == "DELETE" else self.retrieve(request))

    async def retrieve(self, request: Request) -> Response:
        """GET /v1/responses/{id}: the stored response, as far as it has come, or its stream."""
        reading = read_query(request.query_params)
        view = reading.of(await stored(self._door, request, "in_progress"))
        if reading.stream:
            return await self._streaming.follow(view, reading.after, request.receive)
        return json_reply(project(await with_verdicts(view, self._door.shelf)))

    async def cancel(self, request: Request) -> Response:
        """POST /v1/responses/{id}/cancel: the response, cancelled; 409 if it ended in another way before."""
        for name in request.query_params:
            raise unknown(name)
        view = await stored(self._door, request, "in_progress", "cancelled")
        if view.status == "in_progress":
            await self._cancelling.cancel(view.id, view.project, "client")
            view = await stored(self._door, request, "cancelled")
        if view.status != "cancelled":
            raise ended(view)
        return json_reply(project(view))

    async def delete(self, request: Request) -> Response:
        """DELETE /v1/responses/{id}: nobody can read it from now on; a run that is under way is cancelled first."""
        for name in request.query_params:
            raise unknown(name)
        view = await stored(self._door, request, "in_progress", "cancelled")
        if view.status == "in_progress":
            await self._cancelling.cancel(view.id, view.project, "client")
        door = self._door
        await within(door.settings.ledger_timeout_s, door.privacy.forget(view.id, view.project), door.sleep)
        return json_reply({"id": view.id, "object": "response", "deleted": True})

    def _way(self, asked: AskedRequest) -> Foreground | Streaming | Background:
        if asked.stream:
            return self._streaming
        return self._background if asked.background else self._foreground


def ended(view: RunView) -> ApiError:
    """409: there is nothing left to cancel."""
    message = f"Response {view.id} has ended already, as {view.status}, and stays as it is"
    return ApiError(409, message, code="response_already_ended", param="id")
