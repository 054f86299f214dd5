"""A call that waits for the ending of its run: from letting it in to the last byte of its reply."""

from __future__ import annotations

import asyncio
from functools import partial

import orjson
from starlette.responses import Response
from starlette.types import Receive, Send

from agent.ports import NewRun
from api.calls import Call, Calls, Slow, Whole
from api.door import Door
from api.endings import Endings, Look, Quest, closing, late, shown
from api.errors import CLIENT_GONE
from api.patience import leave
from api.projection import project
from api.waiting import News, Vigil

# The second keeps nginx from collecting the white space instead of passing it on.
HEADERS = ((b"content-type", b"application/json"), (b"x-accel-buffering", b"no"))
SPACE = b" "


class Foreground:
    """Answers calls that wait."""

    def __init__(self, door: Door, endings: Endings, calls: Calls) -> None:
        self._door = door
        self._endings = endings
        self._calls = calls

    async def answer(self, new: NewRun, receive: Receive, *, retry: bool) -> Response:
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
                return Slow(partial(self._slowly, call, vigil))
            reply = self._at_once(call, vigil, news)
        except BaseException:
            call.sent(whole=False)
            leave([asyncio.ensure_future(vigil.close())])
            raise
        await vigil.close()
        return reply

    def _at_once(self, call: Call, vigil: Vigil[Look], news: News) -> Response:
        if news is News.GONE:
            call.hung_up()
            return Response(status_code=CLIENT_GONE)
        if news is News.CLOSING:
            raise closing(call.run)
        look = vigil.result()
        if look.late:
            raise late(look.view)
        return Whole(orjson.dumps(project(look.view)), call.sent)

    async def _slowly(self, call: Call, vigil: Vigil[Look], send: Send) -> None:
        """A reply whose status was told before it was known: white space, then the same JSON as ever.

        What goes wrong from here on can only be told by breaking the connection off.
        """
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            news = News.PULSE
            while news is News.PULSE:
                await send({"type": "http.response.body", "body": SPACE, "more_body": True})
                news = await vigil.news()
            if news is News.GONE:
                call.hung_up()
                return
            if news is News.CLOSING:
                raise closing(call.run)
            look = vigil.result()
            await send({"type": "http.response.body", "body": orjson.dumps(shown(look))})
            call.sent(whole=not look.late)
        except BaseException:
            call.sent(whole=False)
            raise
        finally:
            await vigil.close()
