"""The run so far, as a step sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from agent.errors import Permanent
from agent.events import Event
from agent.request import Request

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that is known about a run when a step is asked to go on.

    `prompts` maps a prompt's name to the version (`1.0.0+ab12cd34`) that this run started with and keeps.
    `events` are those of this generation, oldest first. `deadline` is PostgreSQL's clock, aware.
    """

    id: str
    project: str
    agent: str
    request: Request
    deadline: datetime
    generation: int = 1
    prompts: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    spent_usd: Decimal = Decimal(0)
    trace: str = ""

    def last(self, kind: type[E]) -> E:
        """The newest event of a type. Raises `Permanent` if the run has none."""
        for event in reversed(self.events):
            if isinstance(event, kind):
                return event
        raise Permanent(f"run {self.id} has no {kind.type} yet", kind="out_of_order")

    def find(self, kind: type[E]) -> E | None:
        """The newest event of a type, or None."""
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)
