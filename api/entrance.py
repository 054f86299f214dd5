"""From a request to the run that answers it: a new one, or the one that an earlier sending of the request opened."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from agent.callers import Claim, Retry
from agent.errors import KeyTaken
from agent.fairness import Queue
from agent.pauses import INTAKE
from agent.ports import NewRun
from api.door import Door
from api.errors import ApiError, overloaded, paused
from api.holding import Holding
from api.patience import within
from api.repeats import taken

T = TypeVar("T")
log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

LOOK_AGAIN_S = 0.25
LOOKS = 20
"""Longer, all together, than a dead process is taken for a living one."""


class Entrance:
    """Opens runs, each once."""

    def __init__(self, door: Door, holding: Holding) -> None:
        self._door = door
        self._holding = holding

    async def run(self, new: NewRun, *, retry: bool) -> str:
        """The id of the run behind a request.

        Raises `ApiError` 409 if its key stands for another body, 503 while the intake is paused or too much waits;
        `Transient` if the ledger does not answer in time: then the run may be there all the same.
        """
        try:
            if found := await self._found(new, retry=retry):
                return found
            return await self._within(self._door.ledger.open(new))
        except KeyTaken as error:
            raise taken(error) from error

    async def _found(self, new: NewRun, *, retry: bool) -> str | None:
        """The run of an earlier sending; what was let in before goes on while the intake is paused."""
        if retry and new.once is None and (run := await self._claimed(new)):
            return run
        if refusal := self._refusal(new):
            if new.once and (run := await self._known(new)):
                return run
            raise refusal
        return None

    def _refusal(self, new: NewRun) -> ApiError | None:
        """Why no new run is opened now: an operator said so, or it would wait for longer than anybody wants to."""
        door = self._door
        if pause := door.paused().get(INTAKE):
            return paused(pause.reason)
        waits, card = door.waiting(), door.agents.get(new.agent)
        routes = [] if card is None else [route.name for route in card.router.routes.values()]
        lanes = (False, True) if new.bulk else (False,)  # what somebody waits for overtakes the rest
        ahead = (Queue(new.project, route, bulk) for route in routes for bulk in lanes)
        oldest_s = max((waits.get(queue, 0.0) for queue in ahead), default=0.0)
        return overloaded(oldest_s) if oldest_s > door.settings.max_backlog_s else None

    async def _known(self, new: NewRun) -> str | None:
        if new.once is None:
            return None
        return await self._within(self._door.callers.known(new.project, new.once.key, new.once.body_hash))

    async def _claimed(self, new: NewRun) -> str | None:
        """The run of an earlier sending whose connection is gone; None if there is none, or all have somebody."""
        first: Claim | None = None
        for look in range(LOOKS):
            claim = await self._claim(new)
            first = first or claim
            if claim.run is not None:
                log.info("retry_attached", run=claim.run)
                return claim.run
            # Until every transaction that was writing at the first look has ended, one of them may be the opening.
            settled = look > 0 and claim.horizon >= first.newest and not self._holding.expects(new.fingerprint)
            if settled and not claim.more:
                return None
            await self._door.sleep(LOOK_AGAIN_S)
        return None

    async def _claim(self, new: NewRun) -> Claim:
        """One look. Whoever hangs up meanwhile may have got a run all the same, and lets go of it."""
        if new.fingerprint is None or new.holder is None:
            raise ValueError(f"{new.id} has no fingerprint or no holder")
        retry = Retry(new.project, new.fingerprint, new.holder, self._door.settings.retry_within_s)
        looking = asyncio.ensure_future(self._within(self._door.callers.claim(retry)))
        try:
            return await asyncio.shield(looking)
        except asyncio.CancelledError:
            looking.add_done_callback(lambda done: self._let_go(done, retry.holder))
            raise

    def _let_go(self, done: asyncio.Future[Claim], holder: str) -> None:
        if not done.cancelled() and done.exception() is None and (run := done.result().run):
            self._holding.release(run, holder)

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        return await within(self._door.settings.ledger_timeout_s, work, self._door.sleep)
