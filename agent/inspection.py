"""What an operator sees of the streams, the ledger's backlog and the runs: values, read and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ConsumerLook:
    """A consumer of a route's group. Times are in seconds."""

    name: str
    pending: int
    idle_s: float
    """Since it last asked the server for anything."""
    inactive_s: float | None = None
    """Since it last got or claimed an entry; None where the server does not tell."""
    seen_s: float | None = None
    """Since its process last said in the ledger that it lives; None if the ledger does not know it."""


@dataclass(frozen=True, slots=True)
class RouteLook:
    """The stream of a route and its group. `lag` counts the entries that nobody has read yet."""

    route: str
    exists: bool = False
    grouped: bool = False
    """Whether the consumer group is there."""
    length: int = 0
    pending: int = 0
    lag: int = 0
    lag_exact: bool = True
    """False if there are more: counting ended at `lag`."""
    oldest_s: float | None = None
    """The age of the first entry."""
    consumers: Sequence[ConsumerLook] = ()

    @property
    def idle_s(self) -> float | None:
        """Seconds since any consumer looked into the stream; None without consumers."""
        return min((consumer.idle_s for consumer in self.consumers), default=None)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The open work of a route, as the ledger has it."""

    route: str
    open: int = 0
    due: int = 0
    postponed: int = 0
    """To be tried again later."""
    unpublished: int = 0
    """Due, and in no stream."""
    under_way: int = 0
    """Handed out at least once since it became due."""
    oldest_due_s: float | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """Every route's stream beside the ledger's backlog for it, and the open dead letters by error class."""

    routes: Sequence[tuple[RouteLook, Backlog]]
    dead_letters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stall:
    """A route where work waits and none was begun for a while: how much, since when, and a few of the runs."""

    route: str
    count: int
    oldest_s: float
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream entry as it is. Bytes that are no UTF-8 stand as lone surrogates (`surrogateescape`)."""

    id: str
    fields: Sequence[tuple[str, str]]
    age_s: float
    consumer: str | None = None
    """Whose pending entry it is; None if nobody has read it yet."""
    deliveries: int = 0
    """How often the server handed it out."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs; None leaves a property open. Ages are in seconds since the run was opened."""

    status: str | None = None
    agent: str | None = None
    route: str | None = None
    """Open runs that stand at this route."""
    error_class: str | None = None
    """Runs that failed with this class, or met it in an attempt of their newest generation."""
    older_than_s: float | None = None
    younger_than_s: float | None = None


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in a list. Where it stands is None once it has ended."""

    id: str
    project: str
    agent: str
    generation: int
    status: str
    created_at: datetime
    ended_at: datetime | None
    age_s: float
    took_s: float | None
    left_s: float | None
    """Seconds until the deadline of an open run; negative past it."""
    route: str | None
    attempt: int | None
    deliveries: int | None
    due_in_s: float | None
    error_class: str | None
    """Of the ending, else of the newest attempt that met an error."""
    calls: int
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class CostLine:
    """What the model calls under one name cost. `calls` are all of them, failed and unknown ones too."""

    name: str
    calls: int
    failed: int
    unknown: int
    """Under way, or nobody knows what became of them."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal
    """As far as it is known."""
    at_most_usd: Decimal
    """What calls whose cost nobody told may have cost beside that."""
    unpriced: int
    """Calls of which neither the cost nor a bound is known."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Some lines, and the total of all that was asked for, whether it is among these or not."""

    lines: Sequence[CostLine]
    total: CostLine
