"""What the doctor looks at, as plain values: fetched elsewhere, judged in this package. Times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.epoch import Known, Seen
from agent.inspection import Backlog, RouteLook
from agent.pacing import Hold
from agent.pauses import Pause


@dataclass(frozen=True, slots=True)
class Limits:
    """When something is too old, too far or too much."""

    max_deliveries: int
    lease_s: float
    stall_s: float
    overdue_s: float = 5.0
    unpublished_s: float = 10.0
    unmoved_s: float = 15.0
    """Work whose entry nobody looked for, though the relay looks every few seconds."""
    quiet_s: float = 15.0
    """A worker looks into its streams about every second."""
    feed_s: float = 10.0
    slow_s: float = 10.0
    """A wait for a worker that is worth a look."""
    backlog_s: float = 30.0
    """From such a wait on new requests are refused."""
    clock_s: float = 2.0
    job_s: float = 60.0
    gone_s: float = 10.0
    """A process says every second that it lives."""
    recent_s: float = 3_600.0
    webhook_s: float = 3_600.0
    hold_s: float = 30.0
    """A model that is on hold for longer than that, or whose breaker opens again and again, is worth a look."""
    openings: int = 3
    disk_low_bytes: int = 500_000_000
    disk_out_bytes: int = 100_000_000
    memory_share: float = 0.8
    connections_share: float = 0.9
    names: int = 100
    """Consumers that are gone and held nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How many there are, and a few of them."""

    count: int = 0
    examples: tuple[str, ...] = ()
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Handed:
    """Work that was handed out `deliveries` times."""

    run: str
    route: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Letters:
    """Open dead letters of one kind at one route."""

    kind: str
    route: str
    count: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Instance:
    """A process that said in the ledger that it lives."""

    id: str
    kind: str
    started_s: float
    seen_s: float


@dataclass(frozen=True, slots=True)
class Job:
    """A job that is not done. `silent_s` counts since it was last heard of, or since it was queued."""

    id: str
    kind: str
    state: str
    silent_s: float


@dataclass(frozen=True, slots=True)
class FailingWebhook:
    """An endpoint that has failed for long, or that said that it is gone."""

    id: str
    project: str
    failing_s: float | None
    disabled: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class Bond:
    """What the ledger knows of Redis."""

    known: Known
    looked_s: float
    """Since a relay compared the two."""
    losses: int = 0
    lost_s: float | None = None
    """Since the last loss; None if there was none."""
    audit_due_s: float | None = None
    """For how long the audit after a loss has been due, below 0 if it is to come; None if none is wanted."""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What PostgreSQL holds and says of itself, at one moment."""

    clock_ahead_s: float = 0.0
    """Before this host's clock; what the round trip leaves open is taken off."""
    missing_migrations: Sequence[str] = ()
    newer_migration: int | None = None
    """The ledger's version, if this release does not know it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    in_recovery: bool = False
    connections: int = 0
    orphans: Sample = Sample()
    """Open runs without a work row."""
    strays: Sample = Sample()
    """Work rows without an open run of their generation."""
    misplaced: Sample = Sample()
    """Work rows that stand at an event that is not there."""
    overdue: Sample = Sample()
    unpublished: Mapping[str, Sample] = field(default_factory=dict)
    stalled: Mapping[str, Sample] = field(default_factory=dict)
    handed: Sequence[Handed] = ()
    gaps: Sample = Sample()
    """Recent runs whose events are not numbered from 1 without gaps; `run/generation`."""
    endless: Sample = Sample()
    """Recent runs that have ended and whose ending is missing or is not their last event."""
    letters: Sequence[Letters] = ()
    feed_behind: Sample = Sample()
    backlog: Mapping[str, Backlog] = field(default_factory=dict)
    waits: Mapping[str, float] = field(default_factory=dict)
    """For how long the oldest due work of each route has been handed to nobody."""
    pauses: Sequence[Pause] = ()
    instances: Sequence[Instance] = ()
    jobs: Sequence[Job] = ()
    bond: Bond | None = None
    webhooks: Sequence[FailingWebhook] = ()
    locked: bool = True
    """Whether there ever was an API key."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What Redis holds and says of itself."""

    flavour: str = "redis"
    version: str = ""
    redis_version: str = ""
    clock_ahead_s: float = 0.0
    info: Mapping[str, str] = field(default_factory=dict)
    """Fields of INFO, and `appendfsync` where CONFIG may be read."""
    routes: Sequence[RouteLook] = ()
    lost: Sample = Sample()
    """Work that is said to stand in a stream and does not, and that nobody has a lease on."""
    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Events that are pending under several consumers at once."""
    seen: Seen | None = None
    """What Redis knows of itself."""
    holds: Sequence[Hold] = ()
    """Models that are not called now."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. An engine that does not answer has no facts but the reason."""

    ledger: LedgerFacts | None
    streams: StreamFacts | None
    limits: Limits
    routes: Sequence[str] = ()
    """Those of the configured agents."""
    agents_error: str = ""
    ledger_error: str = ""
    streams_error: str = ""
    disk_free_bytes: int | None = None
    """Where the embedded engines keep their files; None where they are elsewhere."""
    open_network: bool = False
    """Whether the settings let strangers in without a key."""

    @property
    def paused(self) -> frozenset[str]:
        """The scopes that an operator has stopped."""
        return frozenset(pause.scope for pause in (self.ledger.pauses if self.ledger else ()))


def ahead_s(there: float, before: float, after: float) -> float:
    """How far a clock is certainly ahead of ours, asked between two looks at ours; 0 where it may be right."""
    return there - after if there > after else min(there - before, 0.0)
