"""Waiting for one run to end, through whatever becomes of the doorbell and the ledger meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
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
class Look:
    """A run as it stands; `late` if it had not ended when its time was over."""

    view: RunView
    late: bool = False

    @property
    def last(self) -> bool:
        """Whether there is no point in waiting longer."""
        return self.late or self.view.status != "in_progress"


@dataclass(frozen=True, slots=True)
class Quest:
    """A run that somebody waits for, for `patience_s` and a little more; `publish` if nobody has published it yet."""

    run: str
    project: str
    patience_s: float
    publish: Pointer | None = None

    @classmethod
    def of(cls, run: str, new: NewRun) -> Quest:
        """For the run behind the request `new`, which may be another one's."""
        return cls(run, new.project, new.deadline_s, new.pointer if run == new.id else None)


class Endings:
    """Brings the endings of runs to those who wait for them."""

    def __init__(self, door: Door, waiters: Waiters) -> None:
        self._door = door
        self._waiters = waiters

    async def of(self, quest: Quest) -> Look:
        """The run once it has ended, or as it stands when its time is over.

        That is its deadline and a little more. While the ledger is away nothing is over, and when it is back the run
        gets that little more once again: the sweep that ends overdue runs had to wait too.
        """
        async with aclosing(self.looks(quest)) as looks:
            async for look in looks:
                if look.last:
                    return look
        raise AssertionError("the last look is a last one")

    async def looks(self, quest: Quest, *, at_once: bool = False, closely: bool = False) -> AsyncGenerator[Look]:
        """The run whenever it seems to have ended, until it has or its time is over.

        With `at_once` also as it is at first; `closely`, whenever something has happened.
        """
        async with self._waiters.expect(quest.run, closely=closely) as bell:
            if at_once or quest.publish is None:  # it may have ended long ago
                bell.set()
            publishing = [asyncio.create_task(self.publish(quest.publish))] if quest.publish else []
            try:
                async with aclosing(self._watch(quest, bell)) as looks:
                    async for look in looks:
                        yield look
            finally:
                await settle(publishing)

    async def _watch(self, quest: Quest, bell: asyncio.Event) -> AsyncGenerator[Look]:
        timer, away = self._timer(quest.patience_s + self._door.grace_s), False
        try:
            while True:
                over = await _rung(bell, timer)
                view = await self._look(quest)
                away = away or view is None
                if view is None:
                    self._waiters.again(quest.run)
                else:
                    look = Look(view, late=over and not away and view.status == "in_progress")
                    yield look
                    if look.last:
                        return
                if over:
                    timer, away = self._timer(self._door.grace_s), view is None
        finally:
            leave([timer])

    def _timer(self, seconds: float) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._door.sleep(seconds))

    async def publish(self, pointer: Pointer) -> None:
        """Hand a run that was opened to its first route. Raises nothing."""
        try:
            await self._door.streams.publish(pointer)
        except Exception as error:  # the run is safe in the ledger, and the relay publishes what nobody did
            log.warning("publish_failed", error=str(error), exc_info=not isinstance(error, Transient))

    async def _look(self, quest: Quest) -> RunView | None:
        """The run, or None while the ledger is away."""
        try:
            view = await self._door.shelf.view(quest.run, quest.project)
        except Transient as error:
            log.warning("view_failed", error=str(error))  # the next look rings again
            return None
        if view is None:
            raise internal()
        if view.deleted and view.status != "in_progress":
            raise no_response()
        return view


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


def shown(look: Look) -> dict[str, Any]:
    """The Response object for a reply whose status 200 has gone out; one that is late says so in `error`."""
    body = project(look.view)
    return body | {"error": {"code": "server_error", "message": _what_then(look.view)}} if look.late else body


def _what_then(view: RunView) -> str:
    then = f"poll GET /v1/responses/{view.id}" if view.store else "it was not to be stored, so its answer is lost"
    return f"Response {view.id} has not ended in time; {then}"
