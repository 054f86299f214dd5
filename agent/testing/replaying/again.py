"""A case's request taken through the agent as it is now: its code, prompts, checks and schema, and the world of then.

A question that was asked then is answered as it was. Where the agent asks another one now, the script says what the
model would say to it; without a line for it, it gets what was said in its place. Which it was stands in the result.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar, cast

from pydantic import BaseModel
from structlog.testing import capture_logs

from agent import settings
from agent.approvals import Decision
from agent.cases import Asked, Case, Refused
from agent.cases.case import closed
from agent.definition import Agent, BoundAgent
from agent.effects import AnyEffect, Ask, CallModel, CallTool, Effect
from agent.envelope import seal
from agent.events import RequestReceived
from agent.faults import Fault
from agent.ports import Begun, Call, Delivery, Ledger, NewRun, Streams
from agent.prompting import PromptBook
from agent.testing.chain import Chain
from agent.testing.clock import HeldClock
from agent.testing.guard import forbid_live_calls
from agent.testing.replaying.binding import agent_of, bound_as_then
from agent.testing.replaying.past import Came, Past, is_unknown
from agent.testing.replaying.recorded import Price, Turns, raised_again
from agent.testing.replaying.stage import NoArchive
from agent.testing.replaying.twin import Unhurried
from agent.testing.rerun import How, Rerun, Served, named
from agent.testing.script import Script, Unscripted
from workers.decide import Decider
from workers.handle import handle
from workers.perform import Models, Perform, Quote
from workers.tools import Tools
from workers.watch import Watch, Watched

T = TypeVar("T", bound=BaseModel)


async def again(
    case: Case,
    script: Script | None = None,
    *,
    agent: Agent | str | None = None,
    prompts: PromptBook | None = None,
    real: Collection[str] = (),
) -> Rerun:
    """Run a case's request again, with the agent that it names as it is now, or this one.

    The prompts are those that the service would use here. Tools are answered from the record, except those named in
    `real`, which are called. Time passes as it did: answers take as long as they took, on a clock that is turned.

    Raises:
        Misconfigured: the agent cannot be had, or does not fit its prompts.
        Unscripted: a question is new, nothing stood in its place, and the script has no line for it.
    """
    book = prompts or PromptBook.here(settings.load().prompts_dir)
    bound = bound_as_then(agent_of(case, agent), case, book)
    ledger = Unhurried(HeldClock(case.run.began_at))
    then = Then(case, Past(case), script or Script(), frozenset(real), ledger.clock)
    doors = Perform(None, None, tools=Tools({bound.name: bound}))  # type: ignore[arg-type]  # it has no other door
    chain = chain_of(bound, book, doors, then, ledger)
    with forbid_live_calls(), capture_logs():  # what failed then is no news
        run = await ledger.open(new_run(case, bound))
        story = await chain.go_on(run)
    errors = tuple(it.error for it in ledger.attempts.values() if it.error)
    return Rerun(story.ending, story.events, story.view, case, bound, tuple(then.served), errors, then.past.calls)


def chain_of(bound: BoundAgent, book: PromptBook, doors: Perform, then: Then, ledger: Unhurried) -> Chain:
    """A chain of the agent of now in the world of `then`; what it does for real goes through these doors."""
    world = World(doors.models, doors.search, doors.recall, doors.tools, then=then)
    chain = Chain(bound, Now(bound, world, book), _decision(then.case), book)
    chain.ledger = ledger
    return chain


def new_run(case: Case, bound: BoundAgent) -> NewRun:
    """The case's request as a run of the agent of now."""
    run = case.run
    return NewRun(
        id=run.id,
        project=run.project,
        agent=bound.name,
        agent_version=bound.version,
        prompts=bound.prompts,
        request=closed(case.request),
        store=run.store,
        first=seal(RequestReceived(agent=bound.name), agent=bound.id, prompts=bound.prompts),
        route=bound.first_route,
        deadline_s=bound.agent.budget.deadline_s,
    )


def _decision(case: Case) -> Decision | None:
    """What somebody decided on the first calls that waited for it; None where nobody did."""
    for event in case.happened("approval.decided"):
        if isinstance(event.data, dict) and event.data.get("by") != "deadline":
            approved, denied = event.data.get("approved", ()), event.data.get("denied", ())
            some = frozenset(map(str, approved)) if approved and denied else bool(approved)
            return AsDecided(some, by=str(event.data.get("by")), reason=str(event.data.get("reason", "")))
    return None


class AsDecided(Decision):
    """A decision of then on calls of now: of those that it does not name it approves none."""

    def _approved(self, waiting: Collection[str]) -> tuple[str, ...]:
        named = self.approve
        return super()._approved(waiting) if isinstance(named, bool) else tuple(it for it in waiting if it in named)


@dataclass(slots=True)
class Then:
    """The world as it was, and where a run is in it: the limit that its time runs against, and what it was answered."""

    case: Case
    past: Past
    script: Script
    real: frozenset[str]
    clock: HeldClock
    served: list[Served] = field(default_factory=list)
    limit: asyncio.Timeout | None = None

    async def answer(self, effect: Effect[T], begun: Begun, perform: Ask) -> T:
        """What is said to a question now. Raises the error of then, or `Unscripted`."""
        if self._is_real(effect):
            return await self._called(effect, begun, perform, "called")
        same = self._same(effect)
        if same is not None and not is_unknown(same):
            return await self._came(effect, same, "recorded", begun)
        hung = same is not None and self._ran_out_of_time()
        if hung and not self._outlast(begun):  # at least as long as the run had then
            return await self._nothing(effect, begun)
        if self.script.has(effect):
            self._note(effect, "scripted")
            return await self.script(effect)
        return await self._otherwise(effect, begun, perform, hung=hung)

    def refused(self, effect: AnyEffect) -> Fault | None:
        """Why a call is not made at all: its model was on hold then."""
        same = self._same(effect) if isinstance(self.past.coming(effect), Refused) else None
        if not isinstance(same, Refused):
            return None
        self._note(effect, "recorded", same.fault)
        return same.fault

    def _is_real(self, effect: AnyEffect) -> bool:
        """Whether it is a call of a tool that is made for real."""
        return isinstance(effect, CallTool) and effect.tool in self.real

    def _same(self, effect: AnyEffect) -> Came | None:
        """What came of this very question."""
        return self.past.same(effect)

    async def _otherwise(self, effect: Effect[T], begun: Begun, perform: Ask, *, hung: bool) -> T:
        """What is said to a question that has no answer on record and no line; `hung`: it had none then either."""
        if hung:
            return await self._nothing(effect, begun)
        kept = self.past.in_place(effect)
        if kept is None or is_unknown(kept):
            line = "script(says(...))" if isinstance(effect, CallModel) else f"script({{{effect.type!r}: [...]}})"
            raise Unscripted(
                f"nobody knows what is said to this: {named(effect)}. Nothing stood in its place in the case; "
                f"give it a line of the script: {line}"
            )
        return await self._came(effect, kept, "kept", begun)

    def quote(self, effect: CallModel, models: Models) -> Quote:
        """What such a call might have cost then, by its model."""
        asked = [it for it in self.case.asked() if it.type == effect.type]
        found = next((it for it in asked if it.model == effect.model), asked[0] if asked else None)
        if found is None:
            return Price(paid=True)
        return Price(found.endpoint, found.worst_case_usd, paid=found.worst_case_usd != 0)

    def _ran_out_of_time(self) -> bool:
        data = self.case.ending.data
        return isinstance(data, dict) and data.get("code") == "deadline_exceeded"

    def _outlast(self, begun: Begun) -> bool:
        """Let the time of then go by; whether there is more of it now."""
        over = max(self.case.run.deadline, self.case.ending.at)
        self.clock.advance_to(min(over, begun.deadline))
        return over < begun.deadline

    def _note(self, effect: AnyEffect, how: How, fault: Fault | None = None) -> None:
        self.served.append(Served(effect, how, self.clock.now(), fault))

    async def _came(self, effect: Effect[T], came: Came, how: How, begun: Begun) -> T:
        self._note(effect, how, came.fault)
        await self._pass(came, begun)
        if isinstance(came, Asked) and came.answer is not None:
            return cast(T, effect.answer_type.model_validate_json(closed(came.answer)))
        raise raised_again(came)

    async def _called(self, effect: Effect[T], begun: Begun, perform: Ask, how: How) -> T:
        """What the world says to it now; it takes as long on the clock as it takes here."""
        self._note(effect, how)
        began, left_s = time.monotonic(), (begun.deadline - self.clock.now()).total_seconds()
        try:
            async with asyncio.timeout(left_s) as limit:
                return await perform(effect)
        except TimeoutError:
            if limit.expired():
                await self._over(begun)
            raise
        finally:
            self.clock.advance(min(time.monotonic() - began, left_s))

    async def _nothing(self, effect: Effect[T], begun: Begun) -> T:
        self._note(effect, "unanswered")
        await self._over(begun)
        raise AssertionError("the time is over")

    async def _pass(self, came: Came, begun: Begun) -> None:
        """Let as much time go by as it took."""
        took = timedelta(milliseconds=(came.duration_ms or 0.0) if isinstance(came, Asked) else 0.0)
        until = self.clock.now() + took
        if until >= begun.deadline:
            await self._over(begun)
        self.clock.advance_to(until)

    async def _over(self, begun: Begun) -> None:
        """The run's time is over while something is under way."""
        self.clock.advance_to(begun.deadline)
        if self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time())
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class World(Perform):
    """A worker's doors to the world: to that of then."""

    then: Then = field(default_factory=lambda: cast(Then, None))

    def bind(self, begun: Begun) -> Ask:
        perform = super(World, self).bind(begun)

        async def ask(effect: Effect[T], /) -> T:
            return await self.then.answer(effect, begun, perform)

        return ask

    def quote(self, effect: AnyEffect) -> Quote | None:
        return self.then.quote(effect, self.models) if isinstance(effect, CallModel) else None


@dataclass(frozen=True, slots=True)
class Now:
    """What a worker does, with the agent of now."""

    bound: BoundAgent
    world: World
    book: PromptBook

    async def __call__(self, delivery: Delivery, /, *, ledger: Ledger, streams: Streams) -> None:
        agents, watch = {self.bound.name: self.bound}, Until(self.world.then)
        decide = Decider(agents, self.world, ledger, self.book, NoArchive(), watch=watch, pacing=Turns(self._refused))
        await handle(delivery, decide=decide, ledger=ledger, streams=streams)

    def _refused(self, call: Call) -> Fault | None:
        return self.world.then.refused(call.effect)


class Until(Watch):
    """Knows the limit that the time of a delivery runs against."""

    def __init__(self, then: Then) -> None:
        super().__init__()
        self._then = then

    @contextmanager
    def over(self, watched: Watched) -> Iterator[None]:
        self._then.limit = watched.limit
        with super().over(watched):
            yield
