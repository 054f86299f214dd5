"""From what a body asks for to the run that is to be opened for it, past everything that may keep it out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import structlog
from starlette.requests import Request

from agent.envelope import seal
from agent.events import RequestReceived
from agent.ports import NewRun
from agent.request import Request as AskedRequest
from api.access import caller_of
from api.admission import Admitted
from api.collections import check_opening
from api.door import AgentCard, Door
from api.holding import Holding
from api.limits import Turnstile
from api.middleware import remember_headers
from api.previous import check_sending
from api.repeats import fingerprint, once_key
from api.trace import traceparent_of


class Opening:
    """Lets requests pass that were admitted. Whoever asks through another call of the API passes here too."""

    def __init__(self, door: Door, holding: Holding) -> None:
        self._door = door
        self._holding = holding
        self._turnstile = Turnstile(door.counters, door.meter, door.settings.ledger_timeout_s)
        holding.hear = self._turnstile.ended

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What goes on beside the calls."""
        async with self._turnstile.running():
            yield

    async def pass_in(self, request: Request, body: Any, admitted: Admitted) -> NewRun:
        """The run to be opened for `body`, as it was sent; the reply will carry what is left of the caller's limits.

        Raises `ApiError`: 400 for an earlier response or a collection that is not there and for an idempotency key that
        is none, 429.
        """
        new = self._new(request, body, admitted)
        await check_sending(new, admitted.request, self._door)
        await check_opening(new, admitted.request, self._door)
        remember_headers(request, await self._turnstile.enter(caller_of(request), new.id))
        structlog.contextvars.bind_contextvars(run=new.id)  # `EveryReply` takes it off again
        return new

    def _new(self, request: Request, body: Any, admitted: Admitted) -> NewRun:
        caller, trace = caller_of(request), traceparent_of(request)
        fenced = admitted.request.model_copy(update={"fence": self._door.new_fence()})
        new = new_run(self._door.new_id(), admitted.card, fenced, caller.project, trace)
        once = once_key(request, body, self._kept_s(new))
        mark = None if once else fingerprint(request, body)
        return replace(new, once=once, fingerprint=mark, holder=self._holding.connection(), key=caller.key)

    def _kept_s(self, new: NewRun) -> float:
        """How long the answer of a run can be asked for with its key."""
        settings = self._door.settings
        return settings.response_retention_s if new.store else new.deadline_s + settings.retry_within_s


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
        first=seal(first, agent=card.id, prompts=card.prompts, trace=trace),
        route=card.router.route(first).name,
        deadline_s=card.agent.budget.deadline_s,
        trace=trace,
        bulk=request.background,
    )
