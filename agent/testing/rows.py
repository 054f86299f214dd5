"""The ledger's rows, as tests look at them: named as the columns of the real one are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from agent.envelope import Key, Sealed
from agent.events import Usage
from agent.letters import SettledAs
from agent.ports import CallStatus, NewRun, Pointer, RunStatus, RunView


@dataclass(slots=True)
class RunRow:
    """A run as it was opened and how it ended; the totals are frozen with the ending."""

    new: NewRun
    created_at: datetime
    deadline: datetime
    status: RunStatus = "in_progress"
    ended_at: datetime | None = None
    ending: Sealed | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal | None = None
    calls: int = 0
    attempts: int = 0
    generation: int = 1
    reopened_at: datetime | None = None
    purged: bool = False
    purge_asked: bool = False
    holder: str | None = None
    delivered_at: datetime | None = None
    cancelled_by: str | None = None

    @property
    def deleted(self) -> bool:
        """Nobody may see it any more."""
        return self.purged or self.purge_asked

    def view(self, generation: int) -> RunView:
        """The run as the door shows it."""
        return RunView(
            id=self.new.id,
            project=self.new.project,
            generation=generation,
            agent=self.new.agent,
            agent_version=self.new.agent_version,
            request=self.new.request,
            status=self.status,
            created_at=self.created_at,
            deadline=self.deadline,
            store=self.new.store,
            trace=self.new.trace,
            ended_at=self.ended_at,
            ending=self.ending,
            usage=self.usage,
            cost_usd=self.cost_usd,
            calls=self.calls,
            attempts=self.attempts,
            deleted=self.deleted,
        )


@dataclass(frozen=True, slots=True)
class KeyRow:
    """Which run an idempotency key opened."""

    run: str
    body_hash: bytes
    expires_at: datetime


@dataclass(slots=True)
class WorkRow:
    """Where an open run stands. `deliveries` counts those of this attempt, from 0."""

    pointer: Pointer
    due_at: datetime
    deliveries: int = 0
    entry: str | None = None
    begins: int = 0
    """Grows with every begin and hand-over of the run, and is never taken back."""


@dataclass(slots=True)
class AttemptRow:
    """One delivery that was opened. `outcome` is None until a commit closes it; `settled` is False if that one lost."""

    token: str
    key: Key
    route: str
    attempt: int
    delivery: int
    worker: str
    entry: str
    began_at: datetime
    outcome: str | None = None
    settled: bool | None = None
    error_kind: str | None = None
    error: str | None = None
    ended_at: datetime | None = None
    begins: int | None = None
    delay_s: float | None = None
    refusals: str | None = None


@dataclass(slots=True)
class CallRow:
    """One question to the world on record."""

    id: str
    token: str
    key: Key
    effect_type: str
    effect_hash: str
    occurrence: int
    status: CallStatus
    answer: str | None
    error_kind: str | None
    error: str | None
    usage: Usage
    cost_usd: Decimal | None
    worst_case_usd: Decimal | None
    order: int
    """Grows with the moment at which its answer was put on record."""
    fault: str | None = None
    effect: str = ""
    model: str = ""
    endpoint: str = ""
    duration_ms: float | None = None
    asked_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what to which dead letter."""

    actor: str
    action: str
    subject: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Work that nobody could do. `body` is JSON: the newest event, or the fields of an entry that is no pointer."""

    id: str
    """The event's key as text, or route and entry."""
    pointer: Pointer | None
    route: str
    kind: str
    reason: str
    body: str
    created_at: datetime
    history: str = "{}"
    raw: bytes | None = None
    settled_at: datetime | None = None
    settled_by: str | None = None
    settled_as: SettledAs | None = None
