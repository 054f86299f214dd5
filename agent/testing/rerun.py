"""A run of then taken through the steps as they are now: what became of it, and where each answer came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from agent.cases import Case
from agent.definition import BoundAgent
from agent.effects import AnyEffect, CallModel, CallTool
from agent.events import Usage
from agent.faults import Fault
from agent.testing.chain import Story

How = Literal["recorded", "scripted", "live", "kept", "called", "refused", "unanswered"]
HOW: Mapping[How, str] = {
    "recorded": "the same question, answered as it was",
    "scripted": "another question, answered by the script",
    "live": "asked now",
    "kept": "another question, answered with what was said in its place",
    "called": "called for real",
    "refused": "not called: it may spend or write",
    "unanswered": "no answer until the time was over",
}


@dataclass(frozen=True, slots=True)
class Served:
    """A question that was asked now, when, where its answer came from, and the error that it was, if it was one.

    `usage` and `cost_usd` are those of a live answer; None where nobody knows.
    """

    effect: AnyEffect
    how: How
    at: datetime
    fault: Fault | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None

    def __str__(self) -> str:
        met = f": {self.fault.kind}" if self.fault else ""
        return f"{named(self.effect)}: {HOW[self.how]}{met}"


@dataclass(frozen=True, slots=True)
class Rerun(Story):
    """A case run again: its story now, the case as it was, every question in order, and why attempts failed.

    `calls_then` are the calls of models that the run went on by then.
    """

    then: Case
    agent: BoundAgent
    served: tuple[Served, ...] = ()
    errors: tuple[str, ...] = ()
    calls_then: int = 0


def named(effect: AnyEffect) -> str:
    """A question in a few words, for people."""
    match effect:
        case CallModel():
            return f"{effect.type} {effect.model} with {effect.prompt}"
        case CallTool():
            return f"{effect.type} {effect.tool}"
    return effect.type
