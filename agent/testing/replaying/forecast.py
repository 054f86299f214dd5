"""What a fork would ask and about what that would cost, found without asking: models say what they said then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from agent.cases import Asked, Case
from agent.effects import AnyEffect, Ask, CallModel, Effect
from agent.events import Usage
from agent.ports import Begun
from agent.testing.clock import HeldClock
from agent.testing.guard import forbid_live_calls
from agent.testing.replaying.changes import Staged
from agent.testing.replaying.fork import Allowed, Forking, Unanswered, asking, play
from agent.testing.replaying.lines import Lines
from agent.testing.replaying.past import Came, Past, is_unknown
from agent.testing.replaying.steps import Step
from agent.testing.replaying.twin import Unhurried
from agent.testing.rerun import Served
from workers.perform import Models, Quote

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Planned:
    """A question that is not on record. `usage` is what its like used up then, or the most that it may: `at_most`."""

    effect: AnyEffect
    usage: Usage = field(default_factory=Usage)
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """`planned` would be asked; `served` says where the other answers come from. With `open_end` more may follow."""

    planned: Sequence[Planned]
    served: Sequence[Served]
    open_end: bool

    @property
    def calls(self) -> Sequence[Planned]:
        """Those of models."""
        return [it for it in self.planned if isinstance(it.effect, CallModel)]


async def forecast(
    case: Case, stage: Staged, lines: Lines | None = None, allowed: Allowed | None = None, step: Step | None = None
) -> Forecast:
    """What `fork` would ask. Nothing is asked, called or written. Raises `Misconfigured`, and `LiveCall`."""
    ledger = Unhurried(HeldClock(case.run.began_at))
    then = Forecasting(
        asking(case, stage), Past(case), lines or Lines(), frozenset(), ledger.clock, allowed=allowed or Allowed()
    )
    with forbid_live_calls(loopback=False):
        stopped = await play(then, stage, ledger, step)
    return Forecast(tuple(then.planned), tuple(then.served), open_end=stopped is not None)


@dataclass(slots=True)
class Forecasting(Forking):
    """The world of a fork that asks nobody: what is new gets what was said in its place."""

    planned: list[Planned] = field(default_factory=list)

    async def _otherwise(self, effect: Effect[T], begun: Begun, perform: Ask, *, hung: bool) -> T:
        if self._refuses(effect):
            return await super(Forecasting, self)._otherwise(effect, begun, perform, hung=hung)
        kept = self.past.in_place(effect)
        self.planned.append(_planned(effect, kept))
        if kept is None or is_unknown(kept):
            raise Unanswered(effect, "nothing stood in its place", self.case.asked())
        return await self._came(effect, kept, "kept", begun)

    def quote(self, effect: CallModel, models: Models) -> Quote:
        return super(Forking, self).quote(effect, models)


def _planned(effect: AnyEffect, kept: Came | None) -> Planned:
    if isinstance(kept, Asked) and kept.usage != Usage():
        return Planned(effect, kept.usage)
    if not isinstance(effect, CallModel):
        return Planned(effect)
    most = Usage(input_tokens=effect.prompt_tokens(), output_tokens=effect.max_output_tokens)
    return Planned(effect, most, at_most=True)
