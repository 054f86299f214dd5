"""The frames of one client's stream, as they come to be."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog

from agent.envelope import Envelope
from agent.errors import AgentError, Transient, Unfamiliar
from agent.ports import RunView, Shelf
from api.endings import Look, late
from api.errors import ApiError, internal, unavailable
from api.patience import Sleep
from api.streaming.frames import DONE, frame
from api.streaming.telling import ended, tell, wants_progress

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames to be sent now. `told` if the run's ending is among them; after `last` there are no more."""

    frames: list[bytes]
    last: bool = False
    told: bool = False


class Source:
    """Looks at a run again and again, and brings what of its stream has not been sent.

    `after` is the number of the last event that the client has already, -1 for none.
    """

    def __init__(self, looks: AsyncGenerator[Look], shelf: Shelf, after: int, sleep: Sleep) -> None:
        self._looks = looks
        self._shelf = shelf
        self._next = after + 1
        self._sleep = sleep

    async def next(self) -> Batch:
        """The frames that come next, once there are any. Raises `ApiError`, and what `tell` raises."""
        while True:
            look = await anext(self._looks)
            batch = await self._batch(look)
            if batch.frames or batch.last:
                return batch

    async def close(self) -> None:
        """Look no more."""
        await self._looks.aclose()

    def failure(self, error: Exception) -> Batch:
        """The end of a stream that was begun and cannot be told further here. The run itself goes on."""
        return Batch([self._error(_typed(error)), DONE], last=True)

    async def _batch(self, look: Look) -> Batch:
        story = tell(look.view, await self._events(look.view))
        frames = [frame(told) for told in story[self._next :]]
        self._next = max(self._next, len(story))
        if look.late:
            return Batch([*frames, self._error(late(look.view)), DONE], last=True)
        if ended(look.view):
            return Batch([*frames, DONE], last=True, told=True)
        return Batch(frames)

    async def _events(self, view: RunView) -> list[Envelope]:
        """All that happened up to what the view shows; the ledger is waited for."""
        while wants_progress(view):
            try:
                return list(await self._shelf.happened(view.id, view.generation))
            except Transient as error:
                log.warning("events_unread", run=view.id, error=str(error))
                await self._sleep(AGAIN_S)
        return []

    def _error(self, error: ApiError) -> bytes:
        return frame({"type": "error", "sequence_number": self._next, **error.body()})


def _typed(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Unfamiliar):
        log.warning("newer_record", error=str(error))
        return unavailable("A newer release wrote this; this process cannot read it. Go on with another one.")
    log.error("stream_failed", exc_info=error)
    return unavailable("The service cannot go on with this stream.") if isinstance(error, AgentError) else internal()
