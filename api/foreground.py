"""A call that waits for the ending of its run: from letting it in to the last byte of its reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Send

from agent.ports import NewRun, RunView
from api.calls import Call, Calls, Slow, Whole
from api.door import Door
from api.endings import Endings, Look, Quest, closing, late, shown
from api.errors import CLIENT_GONE
from api.patience import beside
from api.projection import project
from api.waiting import News, Vigil

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

# It keeps nginx from collecting what keeps a reply alive instead of passing it on.
UNBUFFERED = (b"x-accel-buffering", b"no")


@dataclass(frozen=True, slots=True)
class Told:
    """A reply as it goes out."""

    content: bytes
    status: int = 200
    headers: Mapping[str, str] | None = None


class Form(Protocol):
    """How an ending is written for those who asked in one of the ways of the API."""

    @property
    def media_type(self) -> str: ...
    @property
    def pulse(self) -> bytes:
        """What says nothing, for as long as there is nothing to be said."""

    def at_once(self, view: RunView, /) -> Told:
        """The whole reply; the run has ended."""

    def after_all(self, look: Look, /) -> bytes | None:
        """The rest of a reply that has begun with status 200; None for what cannot be told any more.

        Then the connection breaks off: client libraries send the request again, and that finds the run.
        """


class ResponseForm:
    """The Response object, with status 200 however the run ended."""

    media_type = "application/json"
    pulse = b" "

    def at_once(self, view: RunView) -> Told:
        return Told(orjson.dumps(project(view)))

    def after_all(self, look: Look) -> bytes:
        return orjson.dumps(shown(look))


RESPONSE = ResponseForm()


class Foreground:
    """Answers calls that wait."""

    def __init__(self, door: Door, endings: Endings, calls: Calls) -> None:
        self._door = door
        self._endings = endings
        self._calls = calls

    async def answer(self, new: NewRun, receive: Receive, *, retry: bool, form: Form = RESPONSE) -> Response:
        """The reply, which may have to be kept alive before it is known. `new` names its holder.

        Raises `ApiError` 504 if the run has not ended in time, and what `Calls.let_in` raises.
        """
        call = await self._calls.let_in(new, receive, retry=retry)
        if call is None:
            return Response(status_code=CLIENT_GONE)
        pulse_s, work = self._door.settings.keep_alive_s, self._endings.of(Quest.of(call.run, new))
        vigil = Vigil(work, receive, self._door.closing, pulse_s, self._door.sleep)
        try:
            news = await vigil.news()
            if news is News.PULSE:
                return Slow(partial(self._slowly, call, vigil, form))
            reply = self._at_once(call, vigil, form, news)
        except BaseException:
            call.sent(whole=False)
            beside(vigil.close())
            raise
        await vigil.close()
        return reply

    def _at_once(self, call: Call, vigil: Vigil[Look], form: Form, news: News) -> Response:
        if news is News.GONE:
            call.hung_up()
            return Response(status_code=CLIENT_GONE)
        if news is News.CLOSING:
            raise closing(call.run)
        look = vigil.result()
        if look.late:
            raise late(look.view)
        told = form.at_once(look.view)
        return Whole(told.content, call.sent, told.status, told.headers, form.media_type)

    async def _slowly(self, call: Call, vigil: Vigil[Look], form: Form, send: Send) -> None:
        """A reply whose status was told before it was known: signs of life, then the same as ever.

        What goes wrong from here on can only be told by breaking the connection off.
        """
        try:
            headers = [(b"content-type", form.media_type.encode()), UNBUFFERED]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            news = News.PULSE
            while news is News.PULSE:
                await send({"type": "http.response.body", "body": form.pulse, "more_body": True})
                news = await vigil.news()
            if news is News.GONE:
                call.hung_up()
                return
            if news is News.CLOSING:
                raise closing(call.run)
            look = vigil.result()
            if (rest := form.after_all(look)) is None:
                log.warning("reply_cut_off", run=call.run)
                call.sent(whole=False)
                return
            await send({"type": "http.response.body", "body": rest})
            call.sent(whole=not look.late)
        except BaseException:
            call.sent(whole=False)
            raise
        finally:
            await vigil.close()
