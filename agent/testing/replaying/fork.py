"""A run forked: taken through the steps again with something changed, beside the run as it was, which stays as it is.

What was asked then is answered as it was. A question that is new is answered by a script, or by the world where that is
allowed, or by nobody: then the fork stops there. Which it was is told of every answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar, cast

import orjson
from pydantic import BaseModel
from structlog.testing import capture_logs

from agent.cases import Asked, Case, made
from agent.cases.case import opened
from agent.cases.comparing import Difference, first_event, nearest, unlike
from agent.effects import AnyEffect, Ask, CallModel, CallTool, Effect, ToolResult
from agent.errors import AgentError
from agent.events import Usage
from agent.faults import Fault
from agent.outcome import BUDGET
from agent.ports import Begun
from agent.testing.cases import case_rows
from agent.testing.clock import HeldClock
from agent.testing.guard import forbid_live_calls
from agent.testing.replaying.again import Then, chain_of, new_run
from agent.testing.replaying.changes import Staged
from agent.testing.replaying.lines import Lines
from agent.testing.replaying.past import Came, Past
from agent.testing.replaying.patience import Patience
from agent.testing.replaying.steps import Step, stand
from agent.testing.replaying.twin import Unhurried
from agent.testing.rerun import Served, named
from agent.tools import Tool
from agent.wording import counted
from workers.perform import Models, Perform, Quote

T = TypeVar("T", bound=BaseModel)
NOT_MADE = "The call was not made: this is a trial, and what may spend or write is not called."
SUFFIX = "-fork"
"""What the id of a fork that asks somebody has behind that of its run: endpoints and tools are told it."""
NO_DOORS = Perform(None, None)  # type: ignore[arg-type]  # nothing goes through it
"""Nothing is done for real."""


class Unanswered(BaseException):
    """A question that nobody may answer. `unlike` is how it differs from the recorded one that is most like it.

    No `Exception`, as `Missing` is none.
    """

    def __init__(self, asked: AnyEffect, why: str, known: Sequence[Asked]) -> None:
        effect = orjson.loads(asked.canonical())
        self.asked, self.nearest = asked, nearest(effect, known)
        self.unlike = unlike(self.nearest.effect if self.nearest else {}, effect)
        beside = "" if self.nearest else "; nothing of its type was asked then"
        super().__init__(f"nobody knows what is said to this: {named(asked)}: {why}{beside}")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be done for real, through which doors: questions of these types, and tools by name.

    Questions of the types in `anew` are asked even where they are on record.
    """

    doors: Perform = NO_DOORS
    live: frozenset[type[AnyEffect]] = frozenset()
    anew: frozenset[type[AnyEffect]] = frozenset()
    tools: frozenset[str] = frozenset()
    toolbox: Mapping[str, Tool] = field(default_factory=dict)
    """The agent's tools."""
    refuses: bool = False
    """Whether a tool that is not to be called is refused, so that the model goes on without; else the fork stops."""

    def guard(self) -> AbstractContextManager[None]:
        """Where nothing may be done for real, whatever calls out fails."""
        return nullcontext() if self.live or self.tools else forbid_live_calls(loopback=False)


@dataclass(frozen=True, slots=True)
class Forked:
    """A run as it was, and as it went now; where it stopped for want of an answer, `unanswered` says why.

    `difference` is the first event that is another one; of a run that stopped, among those that it came to.
    """

    then: Case
    now: Case
    served: Sequence[Served]
    unanswered: Unanswered | None
    difference: Difference | None

    @property
    def paid(self) -> Sequence[Served]:
        """The calls of models that were made now."""
        return [it for it in self.served if it.how == "live" and isinstance(it.effect, CallModel)]

    @property
    def paid_usd(self) -> Decimal | None:
        """What they cost; None where nobody knows of one."""
        costs = [it.cost_usd for it in self.paid]
        return None if None in costs else sum(cast(list[Decimal], costs), start=Decimal(0))


async def fork(
    case: Case, stage: Staged, lines: Lines | None = None, allowed: Allowed | None = None, step: Step | None = None
) -> Forked:
    """Take a case's request through the agent that is staged, from its beginning, or from a step of the run.

    Nothing is written anywhere but in memory. Raises `Misconfigured` for a step that there is not, and `LiveCall` where
    an agent's own code calls out although nothing may.
    """
    allowed, ledger = allowed or Allowed(), Unhurried(HeldClock(case.run.began_at))
    case_now = asking(case, stage)
    if allowed.live:  # whoever is asked now must not take it for the run of then
        own = case.run.model_copy(update={"id": f"{case.run.id}{SUFFIX}"})
        case_now = case_now.model_copy(update={"run": own})
    then = Forking(case_now, Past(case), lines or Lines(), allowed.tools, ledger.clock, allowed=allowed)
    with allowed.guard():
        stopped = await play(then, stage, ledger, step)
    now = _account(case_now, stage, ledger)
    as_far = case.model_copy(update={"events": case.events[: len(now.events)]}) if stopped else case
    return Forked(case, now, tuple(then.served), stopped, first_event(as_far, now))


async def play(then: Forking, stage: Staged, ledger: Unhurried, step: Step | None) -> Unanswered | None:
    """To the ending, or to where nobody may answer."""
    chain = chain_of(stage.bound, stage.book, then.allowed.doors, then, ledger)
    with capture_logs():  # what failed then is no news
        run = await ledger.open(new_run(then.case, stage.bound))
        if step is not None:
            stand(ledger, then.past, then.case, stage.bound, step)
        try:
            await chain.go_on(run)
        except Unanswered as error:
            return error
    return None


def asking(case: Case, stage: Staged) -> Case:
    """The case with the request that is put now."""
    return case.model_copy(update={"request": opened(stage.request.model_dump_json())})


def _account(case: Case, stage: Staged, ledger: Unhurried) -> Case:
    """The run as it went now."""
    rows = case_rows(ledger, case.run.id, stage.book)
    assert rows is not None  # noqa: S101  # it was put there
    return made(rows, spec=case.agent.spec, models=tuple(stage.models), whole=False)


@dataclass(slots=True)
class Forking(Then):
    """The world of a fork: the record's, a script's, and the real one where that is allowed."""

    allowed: Allowed = field(default_factory=Allowed)
    patience: Patience = field(default_factory=Patience)

    async def answer(self, effect: Effect[T], begun: Begun, perform: Ask) -> T:
        self._lines.count(effect)
        return await super(Forking, self).answer(effect, begun, perform)

    @property
    def _lines(self) -> Lines:
        return cast(Lines, self.script)

    def _same(self, effect: AnyEffect) -> Came | None:
        """What came of this very question, each time once: who asks a model or a tool more often gets no answer."""
        used_up = self.past.is_used_up(effect)
        found = self.past.same(effect)
        if type(effect) in self.allowed.anew or (used_up and isinstance(effect, CallModel | CallTool)):
            return None
        return found

    async def _otherwise(self, effect: Effect[T], begun: Begun, perform: Ask, *, hung: bool) -> T:
        if type(effect) in self.allowed.live:
            return await self._live(effect, begun, perform)
        if self._refuses(effect):
            self._note(effect, "refused")
            return cast(T, ToolResult(text=NOT_MADE, failed=True))
        if hung:
            return await self._nothing(effect, begun)
        raise Unanswered(effect, self._why(effect), self.case.asked())

    def quote(self, effect: CallModel, models: Models) -> Quote:
        """What it might have cost where it is on record, else what it may cost where it is asked now."""
        known = any(it.hash == effect.hash() for it in self.case.asked())
        if CallModel in self.allowed.live and (CallModel in self.allowed.anew or not known):
            return models.quote(effect)
        return super(Forking, self).quote(effect, models)

    def _refuses(self, effect: AnyEffect) -> bool:
        """Whether it is a call of a tool that is told to the model as one that was not made."""
        return isinstance(effect, CallTool) and self.allowed.refuses and not self._is_real(effect)

    def _is_real(self, effect: AnyEffect) -> bool:
        """Only tools that were named, and no call that somebody has to approve: that one spends or writes."""
        if not isinstance(effect, CallTool) or effect.tool not in self.allowed.tools:
            return False
        tool = self.allowed.toolbox.get(effect.tool)
        return tool is not None and not tool.needs_approval(effect.arguments)

    def _why(self, effect: AnyEffect) -> str:
        asked = [it for it in self.case.asked() if it.hash == effect.hash()]
        told = "it is not on record"
        if asked and all(it.fault is not None and it.fault.kind == BUDGET for it in asked):
            told = "the budget of then did not let it be asked"
        elif asked:
            told = f"it was asked {counted(len(asked), 'time')} then, and no more answers to it are on record"
        return f"{told}, the script has no line for it, and it may not be asked now"

    async def _live(self, effect: Effect[T], begun: Begun, perform: Ask) -> T:
        await self.patience.wait(self.clock.now())
        place = len(self.served)
        try:
            answer = await self._called(effect, begun, perform, "live")
        except Exception as error:
            self.patience.failed(self.clock.now())
            usage, cost_usd = (error.usage, error.cost_usd) if isinstance(error, AgentError) else (None, None)
            self._bill(place, usage, cost_usd, Fault.of(error))
            raise
        self._bill(place, getattr(answer, "usage", None), getattr(answer, "cost_usd", None))
        return answer

    def _bill(self, place: int, usage: Usage | None, cost_usd: Decimal | None, fault: Fault | None = None) -> None:
        self.served[place] = replace(self.served[place], usage=usage, cost_usd=cost_usd, fault=fault)
