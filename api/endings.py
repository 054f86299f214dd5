"""Waiting for one run to end, through whatever becomes of the doorbell and the ledger meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from agent.errors import Transient
from agent.ports import NewRun, Pointer, RunView
from api.door import Door
from api.errors import ApiError, internal, no_response
from api.patience import leave, settle
from api.projection import project
from api.waiting import Waiters

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """What a call waited for; `late` if the run had not ended when its time was over."""

    view: RunView
    late: bool = False


class Endings:
    """Brings the endings of runs to those who wait for them."""

    def __init__(self, door: Door, waiters: Waiters) -> None:
        self._door = door
        self._waiters = waiters

    async def of(self, run: str, new: NewRun) -> Ending:
        """The run behind the request `new` once it has ended, or as it stands when its time is over.

        That is its deadline and a little more. While the ledger is away nothing is over, and when it is back the run
        gets that little more once again: the sweep that ends overdue runs had to wait too.
        """
        async with self._waiters.expect(run) as bell:
            first = self._publish(new.pointer) if run == new.id else _ring(bell)
            publishing = asyncio.create_task(first)
            try:
                return await self._watch((run, new.project), bell, new.deadline_s + self._door.grace_s)
            finally:
                await settle([publishing])

    async def _watch(self, run: tuple[str, str], bell: asyncio.Event, patience_s: float) -> Ending:
        timer, away = self._timer(patience_s), False
        try:
            while True:
                over = await _rung(bell, timer)
                view = await self._look(*run)
                away = away or view is None
                if view is not None and (view.status != "in_progress" or (over and not away)):
                    return Ending(view, late=view.status == "in_progress")
                if over:
                    timer, away = self._timer(self._door.grace_s), view is None
        finally:
            leave([timer])

    def _timer(self, seconds: float) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._door.sleep(seconds))

    async def _publish(self, pointer: Pointer) -> None:
        try:
            await self._door.streams.publish(pointer)
        except Exception as error:  # the run is safe in the ledger, and the relay publishes what nobody did
            log.warning("publish_failed", error=str(error), exc_info=not isinstance(error, Transient))

    async def _look(self, run: str, project: str) -> RunView | None:
        """The run, or None while the ledger is away."""
        try:
            view = await self._door.shelf.view(run, project)
        except Transient as error:
            log.warning("view_failed", error=str(error))  # the next look rings again
            return None
        if view is None:
            raise internal()
        if view.deleted and view.status != "in_progress":
            raise no_response()
        return view


async def _ring(bell: asyncio.Event) -> None:
    """The run was there before: it may have ended long ago."""
    bell.set()


async def _rung(bell: asyncio.Event, timer: asyncio.Future[None]) -> bool:
    """Wait for the bell, or until the timer is over; whether it is."""
    ringing = asyncio.ensure_future(bell.wait())
    try:
        await asyncio.wait((ringing, timer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leave([ringing])
    bell.clear()
    return timer.done()


def late(view: RunView) -> ApiError:
    """504: the run is still under way. A retry would only wait as long once more."""
    return ApiError(504, _what_then(view), code="timeout", headers={"location": f"/v1/responses/{view.id}"})


def closing(run: str) -> ApiError:
    """503: this process stops; the run goes on, and the same request finds it through another one."""
    message = (
        f"This process is stopping; response {run} goes on. Send the request again, or poll GET /v1/responses/{run}"
    )
    headers = {"location": f"/v1/responses/{run}", "retry-after": "1"}
    return ApiError(503, message, code="stopping", headers=headers)


def shown(ending: Ending) -> dict[str, Any]:
    """The Response object for a reply whose status 200 has gone out; one that is late says so in `error`."""
    body = project(ending.view)
    return body | {"error": {"code": "server_error", "message": _what_then(ending.view)}} if ending.late else body


def _what_then(view: RunView) -> str:
    then = f"poll GET /v1/responses/{view.id}" if view.store else "it was not to be stored, so its answer is lost"
    return f"Response {view.id} has not ended in time; {then}"
