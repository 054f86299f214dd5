"""A call that waits for the ending of its run: from letting it in to the last byte of its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.errors import Transient
from agent.ports import NewRun
from api.cancelling import Cancelling
from api.door import Door
from api.endings import Ending, Endings, closing, late, shown
from api.entrance import Entrance
from api.errors import CLIENT_GONE
from api.holding import Holding
from api.patience import Unanswered, leave
from api.projection import project
from api.waiting import News, Vigil, Waiters, unless_gone

JSON = "application/json"
# The second keeps nginx from collecting the white space instead of passing it on.
HEADERS = ((b"content-type", JSON.encode()), (b"x-accel-buffering", b"no"))
SPACE = b" "


@dataclass(frozen=True, slots=True)
class Call:
    """A connection, what it asked for, and the run that it waits for."""

    new: NewRun
    run: str
    vigil: Vigil[Ending]

    @property
    def holder(self) -> str:
        return self.new.holder or ""


class Foreground:
    """Answers calls that wait."""

    def __init__(self, door: Door, waiters: Waiters, holding: Holding, cancelling: Cancelling) -> None:
        self._door = door
        self._endings = Endings(door, waiters)
        self._holding = holding
        self._cancelling = cancelling
        self._entrance = Entrance(door, holding)

    async def answer(self, new: NewRun, receive: Receive, *, retry: bool) -> Response:
        """The reply, which may have to be kept alive before it is known. `new` names its holder.

        Raises `ApiError` 504 if the run has not ended in time, and what `Entrance.run` raises.
        """
        run = await self._let_in(new, receive, retry=retry)
        if run is None:
            return Response(status_code=CLIENT_GONE)
        pulse_s, work = self._door.settings.keep_alive_s, self._endings.of(run, new)
        vigil = Vigil(work, receive, self._door.closing, pulse_s, self._door.sleep)
        call = Call(new, run, vigil)
        try:
            news = await vigil.news()
            if news is News.PULSE:
                return _Slow(partial(self._slowly, call))
            reply = self._at_once(call, news)
        except BaseException:
            self._sent(call, whole=False)
            leave([asyncio.ensure_future(vigil.close())])
            raise
        await vigil.close()
        return reply

    async def _let_in(self, new: NewRun, receive: Receive, *, retry: bool) -> str | None:
        """The run, or None if the client hangs up meanwhile. What may have been opened is let go of."""
        try:
            run = await unless_gone(self._entrance.run(new, retry=retry), receive)
        except (Unanswered, asyncio.CancelledError):
            self._holding.doubt(new.id, new.holder or "", new.fingerprint)
            raise
        except Transient:
            self._holding.release(new.id, new.holder or "")
            raise
        if run is None:
            self._hung_up(new, new.id)
        return run

    def _at_once(self, call: Call, news: News) -> Response:
        if news is News.GONE:
            self._hung_up(call.new, call.run)
            return Response(status_code=CLIENT_GONE)
        if news is News.CLOSING:
            raise closing(call.run)
        ending = call.vigil.result()
        if ending.late:
            raise late(ending.view)
        return _Whole(orjson.dumps(project(ending.view)), partial(self._sent, call))

    async def _slowly(self, call: Call, send: Send) -> None:
        """A reply whose status was told before it was known: white space, then the same JSON as ever.

        What goes wrong from here on can only be told by breaking the connection off.
        """
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            news = News.PULSE
            while news is News.PULSE:
                await send({"type": "http.response.body", "body": SPACE, "more_body": True})
                news = await call.vigil.news()
            if news is News.GONE:
                self._hung_up(call.new, call.run)
                return
            if news is News.CLOSING:
                raise closing(call.run)
            ending = call.vigil.result()
            await send({"type": "http.response.body", "body": orjson.dumps(shown(ending))})
            self._sent(call, whole=not ending.late)
        except BaseException:
            self._sent(call, whole=False)
            raise
        finally:
            await call.vigil.close()

    def _sent(self, call: Call, *, whole: bool) -> None:
        if whole:
            self._holding.delivered(call.run, call.holder)
        else:
            self._holding.release(call.run, call.holder)

    def _hung_up(self, new: NewRun, run: str) -> None:
        """The client has left before it was answered: the one place that notices.

        If it left while `new` was being opened, the run may not be there yet. With a key (`new.once`) the client may
        come back for it at any time; without one, only as a retry.
        """
        self._holding.doubt(run, new.holder or "", new.fingerprint)
        if not new.store and new.once is None:  # nobody can read the answer, nor ask for it again
            self._cancelling.hung_up(run, new.project)


class _Whole(Response):
    """A reply that tells whether it was sent."""

    media_type = JSON

    def __init__(self, content: bytes, sent: Callable[..., None]) -> None:
        super().__init__(content)
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except BaseException:
            self._sent(whole=False)
            raise
        self._sent(whole=True)


class _Slow(Response):
    """A reply that writes itself, head and all."""

    def __init__(self, write: Callable[[Send], Awaitable[None]]) -> None:
        super().__init__()
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._write(send)
