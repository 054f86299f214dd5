"""The world of a replay: every question is answered as it was recorded in this very attempt, and never otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar, cast

import orjson
from pydantic import BaseModel

from agent.cases import Asked, Attempt, Case, Refused
from agent.cases.case import closed
from agent.cases.comparing import nearest, unlike
from agent.effects import AnyEffect, Ask, Effect
from agent.errors import AgentError
from agent.faults import Fault
from agent.ports import Begun, Call
from workers.pacing import Pacing
from workers.perform import Perform, Quote
from workers.watch import Watch, Watched

T = TypeVar("T", bound=BaseModel)
_CALL: ContextVar[Call] = ContextVar("call")


class Missing(BaseException):
    """A step asked what is not on record. `unlike` is how it differs from the recorded question that is most like it.

    No `Exception`: what turns every error of a step into a retry would turn a hole in the record into one, too.
    """

    def __init__(self, asked: AnyEffect, attempt: Attempt, known: Sequence[Asked]) -> None:
        self.asked, self.attempt = asked, attempt
        self.nearest = nearest(orjson.loads(asked.canonical()), known)
        effect = orjson.loads(asked.canonical())
        self.unlike = unlike(self.nearest.effect if self.nearest else {}, effect)
        where = f"attempt {attempt.attempt} at {attempt.route}, event {attempt.seq}"
        beside = "" if self.nearest else "; nothing of its type was asked"
        super().__init__(f"{asked.type!r} was asked in {where}, and there is no recording of it{beside}")


@dataclass(frozen=True, slots=True)
class Price:
    endpoint: str = ""
    worst_case_usd: Decimal | None = None
    paid: bool = False
    """Whether a budget let the call pass is on record, too: it is not judged again."""


@dataclass(slots=True)
class Place:
    """Where a replay is: the attempt that is being taken, and the limit that its time runs against."""

    case: Case
    attempt: Attempt | None = None
    limit: asyncio.Timeout | None = None

    @property
    def now(self) -> Attempt:
        assert self.attempt is not None  # noqa: S101  # nothing is asked outside of one
        return self.attempt

    def asked(self, hash: str, occurrence: int) -> Asked | None:
        """What was recorded of this question in this attempt."""
        found = (it for it in self.now.asked if (it.hash, it.occurrence) == (hash, occurrence))
        return next(found, None)

    def refused(self, call: Call) -> Fault | None:
        """Why this call was not made. Questions whose texts are pseudonyms are known by their model."""
        for it in self.now.refused:
            if (it.hash, it.occurrence) == (call.hash, call.occurrence):
                return it.fault
        if self.case.written.redacted and self.asked(call.hash, call.occurrence) is None:
            return next((it.fault for it in self.now.refused if it.model == call.model), None)
        return None


@dataclass(frozen=True, slots=True)
class Recorded(Perform):
    """A worker's doors to the world: the record's."""

    place: Place = field(default_factory=lambda: Place(cast(Case, None)))

    def bind(self, begun: Begun) -> Ask:
        async def ask(effect: Effect[T], /) -> T:
            call = _CALL.get()
            found = self.place.asked(call.hash, call.occurrence)
            if found is None or closed(found.effect).encode() != effect.canonical():
                raise Missing(effect, self.place.now, self.place.case.asked())
            if found.answer is not None:
                return cast(T, effect.answer_type.model_validate_json(closed(found.answer)))
            if found.fault is not None:
                raise raised_again(found)
            await self._time_is_over()
            raise Missing(effect, self.place.now, self.place.case.asked())

        return ask

    def quote(self, effect: AnyEffect) -> Quote | None:
        found = next((it for it in self.place.now.asked if it.hash == effect.hash()), None)
        return Price(found.endpoint, found.worst_case_usd) if found else Price()

    async def _time_is_over(self) -> None:
        """Nobody knows what became of the call: the run's time was over while it was under way."""
        if self.place.limit is not None and _was_late(self.place):
            self.place.limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()


class Turns(Pacing):
    """Gives each call its turn as it was given, or not: `refused` is why it was not."""

    def __init__(self, refused: Callable[[Call], Fault | None]) -> None:
        super().__init__()
        self._refused = refused

    @asynccontextmanager
    async def turn(self, begun: Begun, call: Call) -> AsyncIterator[None]:
        fault = self._refused(call)
        if fault is not None:
            raise fault.again()
        _CALL.set(call)
        yield


class Limits(Watch):
    """Knows the limit that the time of a delivery runs against."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    @contextmanager
    def over(self, watched: Watched) -> Iterator[None]:
        self.place.limit = watched.limit
        with super().over(watched):
            yield


def raised_again(found: Asked | Refused) -> Exception:
    """The error that a question met, with what it cost all the same."""
    assert found.fault is not None  # noqa: S101
    error = found.fault.again()
    if isinstance(error, AgentError) and isinstance(found, Asked):
        error.usage, error.cost_usd = found.usage, found.cost_usd
    return error


def _was_late(place: Place) -> bool:
    return is_late(place.case, place.now)


def is_late(case: Case, attempt: Attempt) -> bool:
    """Whether the run's time was over before this attempt came to an end of its own."""
    after = next((event for event in case.events if event.seq == attempt.seq + 1), None)
    if attempt.outcome != "advance" or after is None or not isinstance(after.data, dict):
        return False
    return after.type == "run.failed" and after.data.get("code") == "deadline_exceeded"
