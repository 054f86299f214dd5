"""A stream from its first byte to its last, and what becomes of the run when the client leaves in between.

Until the first byte everything that goes wrong is a plain error with its status. After it, only what the ledger holds
is told: a run's failure is an event like any other, and a stream that cannot be told to its end has no such event.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Send

from agent.ports import NewRun, RunView
from agent.request import Request as Asked
from api.calls import Calls, Slow
from api.door import Door
from api.endings import Endings, Quest, closing
from api.errors import CLIENT_GONE
from api.patience import beside
from api.streaming.frames import MEDIA_TYPE, PING
from api.streaming.progress import ASKED_BY
from api.streaming.source import Batch, Source
from api.waiting import News, Vigil

# The second keeps nginx from collecting the events instead of passing them on.
HEADERS = ((b"content-type", MEDIA_TYPE.encode()), (b"x-accel-buffering", b"no"))


class Listener(Protocol):
    """Who gets a stream; `api.calls.Call` is one."""

    def sent(self, *, whole: bool) -> None: ...
    def hung_up(self) -> None: ...


class Passerby:
    """Reads a stored response: the run does not care whether anybody does."""

    def sent(self, *, whole: bool) -> None:
        return

    def hung_up(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class _Stream:
    """A client, what it gets, and the watch over both."""

    run: str
    listener: Listener
    source: Source
    vigil: Vigil[Batch]


class Streaming:
    """Answers with streams."""

    def __init__(self, door: Door, endings: Endings, calls: Calls) -> None:
        self._door = door
        self._endings = endings
        self._calls = calls

    async def answer(self, new: NewRun, receive: Receive, *, retry: bool) -> Response:
        """The stream of the run behind a request, from its beginning. Raises what `Calls.let_in` raises."""
        call = await self._calls.let_in(new, receive, retry=retry)
        if call is None:
            return Response(status_code=CLIENT_GONE)
        asked = Asked.model_validate_json(new.request)
        return await self._answer(Quest.of(call.run, new), asked, -1, call, receive)

    async def follow(self, view: RunView, after: int, receive: Receive) -> Response:
        """The stream of a stored response, from the event after number `after`."""
        asked, patience_s = Asked.model_validate_json(view.request), (view.deadline - view.created_at).total_seconds()
        return await self._answer(Quest(view.id, view.project, patience_s), asked, after, Passerby(), receive)

    async def _answer(self, quest: Quest, asked: Asked, after: int, listener: Listener, receive: Receive) -> Response:
        door, closely = self._door, asked.background or ASKED_BY in asked.include
        source = Source(self._endings.looks(quest, at_once=True, closely=closely), door.shelf, after, door.sleep)
        vigil = Vigil(source.next(), receive, door.closing, door.settings.keep_alive_s, door.sleep)
        stream = _Stream(quest.run, listener, source, vigil)
        try:
            news = await vigil.news()
            if news is News.ENDED or news is News.PULSE:
                first = vigil.result() if news is News.ENDED else None
                return Slow(partial(_write, stream, first))
            if news is News.CLOSING:
                raise closing(quest.run)
        except BaseException:
            listener.sent(whole=False)
            beside(_close(stream))
            raise
        listener.hung_up()
        await _close(stream)
        return Response(status_code=CLIENT_GONE)


async def _write(stream: _Stream, first: Batch | None, send: Send) -> None:
    """Send all of a stream. Where this process cannot go on, the connection is cut off: nothing is made up."""
    try:
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        last = await _tell(stream, first, send)
        if last is None:
            stream.listener.hung_up()
            return
        await send({"type": "http.response.body", "body": b""})
        stream.listener.sent(whole=last.told)
    except BaseException:
        stream.listener.sent(whole=False)
        raise
    finally:
        await _close(stream)


async def _tell(stream: _Stream, first: Batch | None, send: Send) -> Batch | None:
    """The last batch, once all are sent; None if the client left. Without a `first` one the client has waited long."""
    if first is None:
        await _pass_on(PING, send)
    batch = first or await _next(stream, send)
    while batch is not None:
        for piece in batch.frames:
            await _pass_on(piece, send)
            if stream.vigil.left:
                return None
        if batch.last:
            return batch
        stream.vigil.turn_to(stream.source.next())
        batch = await _next(stream, send)
    return None


async def _next(stream: _Stream, send: Send) -> Batch | None:
    """The batch that comes next; None if the client leaves before."""
    while (news := await stream.vigil.news()) is News.PULSE:
        await _pass_on(PING, send)
    if news is News.GONE:
        return None
    if news is News.CLOSING:
        raise closing(stream.run)
    try:
        return stream.vigil.result()
    except Exception as error:
        return stream.source.failure(error)


async def _pass_on(piece: bytes, send: Send) -> None:
    """Send a frame as a piece of its own, and let others go on: a long answer must not hide that its client left."""
    await send({"type": "http.response.body", "body": piece, "more_body": True})
    await asyncio.sleep(0)


async def _close(stream: _Stream) -> None:
    await stream.vigil.close()
    await stream.source.close()
