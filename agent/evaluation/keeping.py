"""Evaluations in the ledger: which runs they want opened, and how far they have come. A job opens the runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Protocol

from agent.envelope import Sealed
from agent.ports import NewRun


@dataclass(frozen=True, slots=True)
class Plan:
    """What the runs of all lines have in common. `at_once` of them are open together, at most."""

    project: str
    agent: str
    agent_version: str
    prompts: Mapping[str, str]
    first: Sealed
    route: str
    deadline_s: float
    at_once: int

    @classmethod
    def of(cls, new: NewRun, at_once: int) -> Plan:
        """`new` is the run of any line."""
        return cls(
            project=new.project,
            agent=new.agent,
            agent_version=new.agent_version,
            prompts=dict(new.prompts),
            first=replace(new.first, trace=""),
            route=new.route,
            deadline_s=new.deadline_s,
            at_once=at_once,
        )

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Plan:
        """What `text` wrote."""
        value: dict[str, Any] = json.loads(text)
        return cls(**{**value, "first": Sealed(**value["first"])})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line whose run is to be opened under this id. `number` counts from 1."""

    number: int
    run: str
    request: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation on record. `told_at` is when somebody was told how it ended."""

    id: str
    wish: str
    plan: Plan
    total: int
    created_at: datetime
    told_at: datetime | None = None
    most_usd: Decimal | None = None
    """No more of its runs are opened once those that are cost so much."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it has come: its runs that ended by their status, those that are open, and all of its lines."""

    ended: Mapping[str, int]
    open: int
    total: int

    @property
    def done(self) -> int:
        return sum(self.ended.values())


class Evaluations(Protocol):
    """Every method raises `Transient` if the store cannot be reached."""

    async def begin(self, wish: str, plan: Plan, lines: Sequence[Wanted], /) -> tuple[Evaluation, bool]:
        """Put an evaluation on record, and True; or the one that wants the same and was not told yet, and False."""

    async def find(self, wish: str, /) -> Evaluation | None:
        """The newest one that wants the same and was not told yet."""

    async def evaluation(self, id: str, /) -> Evaluation | None:
        """One of them, or None."""

    async def standing(self, id: str, /) -> Standing:
        """How far it has come."""

    async def waiting(self, id: str, most: int, /) -> Sequence[Wanted]:
        """The next lines whose runs are not open yet, at most `most`."""

    async def opened(self, id: str, numbers: Sequence[int], /) -> None:
        """Note that the runs of these lines are open; their requests are kept with them from now on."""

    async def runs(self, id: str, /) -> Sequence[str]:
        """The runs that are open or have ended, in the order of their lines."""

    async def limit(self, id: str, most_usd: Decimal | None, /) -> None:
        """What its runs may cost from now on; None for as much as they cost."""

    async def spent(self, id: str, /) -> Decimal:
        """What its runs cost so far, in USD; calls whose cost nobody told, or that are under way, at their most."""

    async def told(self, id: str, /) -> None:
        """Somebody knows how it ended: whoever wants the same again wants it done again."""


def wish_of(*parts: str) -> str:
    """What makes two evaluations want the same, in hex."""
    return sha256(json.dumps(parts).encode()).hexdigest()


def arguments(id: str) -> str:
    """The arguments of the job that opens the runs of an evaluation."""
    return json.dumps({"evaluation": id}, sort_keys=True)


def new_run(evaluation: Evaluation, line: Wanted) -> NewRun:
    """The run of a line. Its id is on record before it is opened, so it is opened once, however often that is tried."""
    plan = evaluation.plan
    return NewRun(
        id=line.run,
        project=plan.project,
        agent=plan.agent,
        agent_version=plan.agent_version,
        prompts=plan.prompts,
        request=line.request,
        store=True,
        first=replace(plan.first, trace=line.trace),
        route=plan.route,
        deadline_s=plan.deadline_s,
        trace=line.trace,
        bulk=True,
    )
