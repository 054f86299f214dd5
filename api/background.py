"""A call that does not wait: its run is opened and goes on by itself, and the client comes back for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from starlette.responses import Response
from starlette.types import Receive

from agent.ports import NewRun, Pointer
from api.calls import Call, Calls, Whole
from api.door import Door
from api.endings import Endings
from api.errors import CLIENT_GONE, internal
from api.patience import settle
from api.projection import project
from api.streaming.telling import opened


class Background:
    """Takes requests in."""

    def __init__(self, door: Door, endings: Endings, calls: Calls) -> None:
        self._door = door
        self._endings = endings
        self._calls = calls
        self._publishing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What was not published in the end is published by the relay."""
        try:
            yield
        finally:
            await settle(self._publishing)

    async def answer(self, new: NewRun, receive: Receive, *, retry: bool) -> Response:
        """The run as it is at its beginning, or as it stands if an earlier sending of the request has opened it.

        Raises what `Calls.let_in` raises, and `Transient`.
        """
        call = await self._calls.let_in(new, receive, retry=retry)
        if call is None:
            return Response(status_code=CLIENT_GONE)
        if call.run == new.id:
            self._publish(new.pointer)
        try:
            return Whole(orjson.dumps(await self._shown(call)), call.told_of)
        except BaseException:
            call.sent(whole=False)
            raise

    async def _shown(self, call: Call) -> object:
        view = await self._door.shelf.view(call.run, call.new.project)
        if view is None:
            raise internal()
        # A worker may have begun already; whoever asked is told `queued` all the same, and finds the rest by polling.
        return project(opened(view) if call.run == call.new.id else view)

    def _publish(self, pointer: Pointer) -> None:
        task = asyncio.create_task(self._endings.publish(pointer))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
