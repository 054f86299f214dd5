"""A connection and the run that it waits for: letting it in, and what follows when it was answered, or has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.errors import Transient
from agent.ports import NewRun
from api.cancelling import Cancelling
from api.door import Door
from api.entrance import Entrance
from api.holding import Holding
from api.patience import Unanswered
from api.waiting import unless_gone


@dataclass(frozen=True, slots=True)
class Call:
    """A connection that waits for `run`; `new` is what it asked for, and names it as the run's holder."""

    new: NewRun
    run: str
    holding: Holding = field(repr=False)
    cancelling: Cancelling = field(repr=False)

    def sent(self, *, whole: bool) -> None:
        """Its reply is over: the run's ending was sent whole, or somebody may still want it."""
        holder = self.new.holder or ""
        if whole:
            self.holding.delivered(self.run, holder)
        else:
            self.holding.release(self.run, holder)

    def told_of(self, *, whole: bool) -> None:
        """Its reply is over, and told where the run is to be found; its ending is still to come."""
        if whole:
            self.holding.handed_over(self.run, self.new.holder or "")
        else:
            self.sent(whole=False)

    def hung_up(self) -> None:
        """The client has left before it was answered.

        If it left while `new` was being opened, the run may not be there yet. With a key (`new.once`) the client may
        come back for it at any time; without one, only as a retry.
        """
        self.holding.doubt(self.run, self.new.holder or "", self.new.fingerprint)
        if not self.new.store and self.new.once is None:  # nobody can read the answer, nor ask for it again
            self.cancelling.hung_up(self.run, self.new.project)


class Calls:
    """Lets calls in."""

    def __init__(self, door: Door, holding: Holding, cancelling: Cancelling) -> None:
        self._holding = holding
        self._cancelling = cancelling
        self._entrance = Entrance(door, holding)

    async def let_in(self, new: NewRun, receive: Receive, *, retry: bool) -> Call | None:
        """The call with its run, or None if the client hangs up meanwhile. What may have been opened is let go of.

        Raises what `Entrance.run` raises.
        """
        try:
            run = await unless_gone(self._entrance.run(new, retry=retry), receive)
        except (Unanswered, asyncio.CancelledError):
            self._holding.doubt(new.id, new.holder or "", new.fingerprint)
            raise
        except Transient:
            self._holding.release(new.id, new.holder or "")
            raise
        if run is None:
            self._call(new, new.id).hung_up()
            return None
        structlog.contextvars.bind_contextvars(run=run)  # a retry finds the run of its first sending
        return self._call(new, run)

    def _call(self, new: NewRun, run: str) -> Call:
        return Call(new, run, self._holding, self._cancelling)


class Whole(Response):
    """A reply that tells whether it was sent."""

    def __init__(
        self,
        content: bytes,
        sent: Callable[..., None],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str = "application/json",
    ) -> None:
        super().__init__(content, status, headers, media_type)
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except BaseException:
            self._sent(whole=False)
            raise
        self._sent(whole=True)


class Slow(Response):
    """A reply that writes itself, head and all."""

    def __init__(self, write: Callable[[Send], Awaitable[None]]) -> None:
        super().__init__()
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._write(send)
