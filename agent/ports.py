"""What the shell needs from storage and transport, and the values that pass between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from agent.effects import AnyEffect
from agent.envelope import Envelope, Key, Sealed, scrub
from agent.epoch import Known, Seen
from agent.events import Usage
from agent.outcome import Outcome

DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a stream entry says: where the work of a run stands. All of it readable in redis-cli."""

    run: str
    generation: int
    seq: int
    route: str
    attempt: int
    project: str = DEFAULT_PROJECT
    trace: str = ""
    bulk: bool = False
    """Nobody holds a connection for it: it goes behind work that somebody waits for."""

    @property
    def key(self) -> Key:
        return Key(self.run, self.generation, self.seq)

    @property
    def trace_id(self) -> str:
        """What log lines about this work say of its trace."""
        return self.trace[3:35]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One hand-over of a work row to a worker. `entry` is the stream entry's id."""

    pointer: Pointer
    entry: str = ""
    worker: str = ""
    times: int = 1
    """How often the transport handed out this entry, as far as it knows: a hint. The ledger counts."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stream entry that is no pointer: somebody else wrote it, or a bug of ours.

    Bytes that are no UTF-8 stand in `fields` as lone surrogates (`surrogateescape`).
    """

    route: str
    entry: str
    fields: Mapping[str, str]
    reason: str

    def readable(self, most: int = 2_000) -> str:
        """The fields as JSON for people: names and values cut to `most` characters."""
        cut = {_cut(name, most): _cut(value, most) for name, value in self.fields.items()}
        return scrub(json.dumps(cut, ensure_ascii=False))

    def raw(self) -> bytes:
        """The fields' bytes as the stream held them: a RESP array of names and values in turn."""
        parts = [part.encode("utf-8", "surrogateescape") for pair in self.fields.items() for part in pair]
        return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)

    def size(self) -> int:
        """About so many bytes."""
        return sum(len(name) + len(value) for name, value in self.fields.items())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


@dataclass(frozen=True, slots=True)
class OnceKey:
    """A caller's idempotency key: one run per key and project, for `lives_s` seconds.

    `body_hash` tells a repeated request from another one that uses the key again.
    """

    key: str
    body_hash: bytes
    lives_s: float


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to open: it, its first event and its work row are one write. `deadline_s` counts from now."""

    id: str
    project: str
    agent: str
    agent_version: str
    prompts: Mapping[str, str]
    request: str
    """The `Request` as JSON."""
    store: bool
    first: Sealed
    route: str
    deadline_s: float
    trace: str = ""
    once: OnceKey | None = None
    fingerprint: bytes | None = None
    """Hash of the caller and the body: a repeated request that has no key is known by it."""
    holder: str | None = None
    """The API process and connection that waits for the run."""
    key: str | None = None
    """The id of the key that it was asked for with."""
    bulk: bool = False
    """Whether nobody waits for it while it runs: a background response."""

    @property
    def pointer(self) -> Pointer:
        return Pointer(self.id, 1, 1, self.route, 1, self.project, self.trace, self.bulk)


RunStatus = Literal["in_progress", "completed", "failed", "incomplete", "cancelled"]
CallStatus = Literal["asked", "answered", "failed", "unknown"]


@dataclass(slots=True)
class Call:
    """One question to the world inside one delivery.

    A paid one is written as `asked` before it is made, with the most it may cost; what came of it follows.
    `asked` turns into `unknown` when the work is handed out again and nobody knows what became of the call.
    """

    id: str
    effect: AnyEffect
    hash: str
    occurrence: int
    """How many times the same question was asked before in this delivery: 0 for the first."""
    model: str = ""
    endpoint: str = ""
    prompt: str = ""
    prompt_hash: str = ""
    worst_case_usd: Decimal | None = None
    status: CallStatus = "asked"
    answer: str | None = None
    """The answer as JSON."""
    error_kind: str | None = None
    error: str | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal | None = None
    duration_ms: float = 0.0
    intended: bool = False
    """Whether the intent stands in the ledger already."""
    fault: str | None = None
    """JSON: what is known of an error beside its kind and words, see `agent.faults`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that a step wanted and that was not made: its model is on hold. `wait_s` are the seconds to wait."""

    effect_type: str
    effect_hash: str
    occurrence: int
    model: str
    error: str
    """The error's class, see `agent.faults`."""
    kind: str
    message: str
    wait_s: float | None


@dataclass(slots=True)
class Begun:
    """An open attempt: the delivery, its claim token, the run so far as the ledger holds it, and answers on record."""

    delivery: Delivery
    token: str
    deliveries: int
    """How often this attempt was handed out, this time included."""
    agent: str
    agent_version: str
    prompts: Mapping[str, str]
    request: str
    deadline: datetime
    remaining_s: float
    """Seconds until the deadline, by the ledger's clock, when the attempt was opened."""
    spent_usd: Decimal
    trace: str
    events: Sequence[Envelope]
    answers: Mapping[tuple[str, int], str]
    """Recorded answers as JSON, by effect hash and occurrence."""
    spent_tokens: int = 0
    """Input and output of all calls of the run, as far as they are known."""
    unknown_calls: int = 0
    """Model calls of the run that nobody knows the outcome of."""
    model_calls: int = 0
    """Model calls of the run, whatever became of them; those that came too early, or were not made, are none."""
    failures: int = 0
    """Failed attempts in this generation of the run, at whatever step."""
    calls: list[Call] = field(default_factory=list)
    """What this delivery asked and has not put on record yet; `commit` writes it with the outcome."""
    refusals: list[Refusal] = field(default_factory=list)
    """The calls of this delivery that were not made; `commit` writes them with the outcome."""
    number: int = 0
    """Grows with every begin of the run: the newest may settle. 0 settles whichever is the newest (relay, cancel)."""

    @property
    def pointer(self) -> Pointer:
        return self.delivery.pointer

    @property
    def agent_id(self) -> str:
        """`name@version` of the agent that the run started with."""
        return f"{self.agent}@{self.agent_version}"


class Ledger(Protocol):
    """The only thing that remembers. Every method raises `Transient` if the store cannot be reached."""

    async def open(self, new: NewRun, /) -> str:
        """Write a run, its first event and its work row: all of it, or nothing; the id of the run.

        That is another one's, and nothing is written, if `new.once` has opened it already. Raises `KeyTaken` if that
        one had another body.
        """

    async def begin(self, delivery: Delivery, /) -> Begun | None:
        """Open an attempt: None if the work has moved on, ended, is not due, or is carried by another stream entry.

        Else the run so far. Paid calls of earlier deliveries of this event that never came back are marked `unknown`.
        """

    async def carries(self, delivery: Delivery, /) -> bool:
        """Does the work wait for this entry, as far as is known? If not, the entry is of no use to anybody."""

    async def deliveries(self, delivery: Delivery, /) -> int:
        """How often this attempt was begun so far; 0 if the work has moved on."""

    async def intend(self, begun: Begun, call: Call, /) -> None:
        """Put a paid call on record before it is made.

        Raises `Gone` if the work does not stand where `begun` found it, another delivery has begun since, or the
        deadline has passed: then the call must not be made, and nothing was written.
        """

    async def moved_on(self, held: Sequence[Begun], /) -> frozenset[str]:
        """Tokens of those whose work does not stand where they began it, or was begun again."""

    async def record(self, begun: Begun, /) -> None:
        """Put `begun.calls` on record now and empty it, whether or not the work has moved on: a bill is a bill."""

    async def commit(self, begun: Begun, outcome: Outcome, /) -> bool:
        """Record what the delivery ended in, with `begun.calls`: all of it, or nothing.

        False if somebody was first, or the work was handed out again since: then only the attempt and its calls are
        kept, so a worker that froze and was taken over changes nothing. If the database refuses the very
        rows of this outcome, the run is buried instead and the others in the same transaction are not harmed.
        """

    async def hand_back(self, begun: Begun, /) -> bool:
        """Undo a delivery whose worker stops: it is not counted, and no entry carries the work any more.

        `begun.calls` are kept, and paid calls that were under way are `unknown`. False if the work was handed out
        again or moved on since.
        """

    async def bury_unreadable(self, unreadable: Unreadable, /) -> None:
        """Keep an entry that is no pointer as a dead letter, once."""

    async def published(self, entries: Mapping[Pointer, str], /) -> None:
        """Note on the work rows which stream entries carry them; rows that moved on, or have one, are left alone."""


class Streams(Protocol):
    """The transport: push wake-up, pending lists, backlog. Nothing depends on it for truth."""

    async def publish(self, pointer: Pointer, /) -> str:
        """Hand a work row to its route; the id of the entry.

        "" if as many entries of its project wait there as may (see `agent.fairness`): it stays in the ledger, and
        the relay publishes it when its turn has come.
        """

    async def ended(self, run: str, /) -> None:
        """Wake whoever waits for this run."""

    async def take(self, delivery: Delivery, /) -> bool:
        """Take the lease on a delivery's work for its worker; False if another worker holds it."""

    async def ack(self, delivery: Delivery | Unreadable, /) -> None:
        """Acknowledge and delete an entry, and let go of the lease; an unknown one is no error.

        An entry that another worker has taken over stays, and so does that worker's lease.
        """

    async def release(self, delivery: Delivery, /) -> None:
        """As `ack`, for work that goes to another worker now: no late heartbeat takes the lease again."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the door shows it. `ending` is there once it ended; the totals cover every call of every attempt."""

    id: str
    project: str
    generation: int
    agent: str
    agent_version: str
    request: str
    status: RunStatus
    created_at: datetime
    deadline: datetime
    store: bool
    trace: str
    ended_at: datetime | None = None
    ending: Sealed | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: Decimal | None = None
    """None where the price of a call is unknown."""
    calls: int = 0
    """Model calls, failed and unknown ones included."""
    attempts: int = 0
    begun: bool = True
    """Whether a worker has taken up an open run."""
    deleted: bool = False
    """Its text is to be forgotten, or has been: nobody may see the run."""
    link_secret: bytes = field(default=b"", repr=False)
    """What signs links to the project's passages."""
    verdicts: Sequence[Envelope] = ()
    """The verdicts on its drafts, oldest first, once it has ended and where the door wants to show them."""


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as it stands in the library. `current` is False once a newer ingest replaced or removed it."""

    id: str
    project: str
    collection: str
    document_id: str
    title: str
    source: str
    url: str | None
    text: str
    current: bool


class Place(NamedTuple):
    """Where the work of an open run stands: it changes whenever an event happens, and when the work is taken up."""

    generation: int
    seq: int
    begun: bool


class Shelf(Protocol):
    """What the door reads from the ledger. Every method raises `Transient` if the store cannot be reached."""

    async def view(self, run: str, project: str, /) -> RunView | None:
        """A run of this project, or None."""

    async def ended(self, runs: Sequence[str], /) -> Sequence[str]:
        """Those of `runs` that have ended (or are not there)."""

    async def places(self, runs: Sequence[str], /) -> Mapping[str, Place]:
        """Where those of `runs` stand that are open."""

    async def happened(self, run: str, generation: int, /) -> Sequence[Envelope]:
        """The events of a generation of a run, oldest first."""

    async def passage(self, passage: str, project: str, /) -> StoredPassage | None:
        """A stored passage of this project, also one that has been replaced since; or None."""

    async def collections(self, project: str, names: Sequence[str], /) -> frozenset[str]:
        """Those of these collections that the project has."""

    async def ping(self) -> None:
        """Raises `Transient` if the store does not answer."""


class Doorbell(Protocol):
    """Wakes waiters in one API process when a run ends. A ring may be lost; whoever waits also looks."""

    async def register(self, run: str, /) -> None:
        """Have this process rung for `run`."""

    async def rings(self) -> Sequence[str]:
        """The runs that ended since the last call; waits up to a second for the first. Raises `Transient`."""

    async def ping(self) -> None:
        """Raises `Transient` if the transport does not answer."""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """An event on its way to the feed."""

    envelope: Envelope
    project: str


class Swept(NamedTuple):
    """How much due work was published, and whether there is more that could not be yet."""

    published: int
    more: bool = False


class Sweeps(Protocol):
    """What the relay asks of the ledger. Every method raises `Transient` if the store, or what it calls, is away."""

    async def publish_due(
        self, publish: Callable[[Sequence[Pointer]], Awaitable[Sequence[str]]], grace_s: float
    ) -> Swept:
        """Publish work that is due and stands in no stream; a fresh row's own worker gets `grace_s` to do it.

        Each project and route gets its turn, and in it work that somebody waits for goes first. What `publish` holds
        back stays.
        """

    async def look_for(
        self, missing: Callable[[Sequence[tuple[Pointer, str]]], Awaitable[Sequence[bool]]], age_s: float
    ) -> int:
        """Look for the entries of work that has not moved for `age_s`; those that are gone will be published again."""

    async def audit(
        self, missing: Callable[[Sequence[tuple[Pointer, str]]], Awaitable[Sequence[bool]]], *, untouched: bool = False
    ) -> int:
        """As `look_for`, for all published work at once; with `untouched`, for what was never handed out only."""

    async def end_overdue(self) -> Sequence[Begun]:
        """End the runs that are past their deadline; those that ended here, as they were before."""

    async def copy_feed(self, write: Callable[[Sequence[FeedRow]], Awaitable[None]]) -> int:
        """Write the events after the feed's cursor, in order within each run, and move the cursor."""


class Notes(Protocol):
    """Short texts that all workers share and that may be lost at any time. Raises `Transient`."""

    async def read(self, place: str, /) -> str | None:
        """The text at a place, or None."""

    async def write(self, place: str, text: str, lives_s: float, /) -> None:
        """Keep a text for `lives_s` seconds."""


class Archive(Protocol):
    """Prompt versions that runs started with. Raises `Transient`."""

    async def keep_prompt(self, name: str, version: str, sources: str) -> None:
        """Keep a version's sources, as JSON."""

    async def kept_prompt(self, name: str, version: str) -> str | None:
        """A version's sources as JSON, or None."""


class Reader(Protocol):
    """Reads one route as a member of its group. Every method raises `Transient` if the transport is away."""

    @property
    def route(self) -> str: ...
    async def join(self) -> None:
        """Make the group, from the beginning of the stream, unless it is there."""

    async def new(self, most: int) -> Sequence[Delivery | Unreadable]:
        """At most `most` entries that nobody has read; waits up to a second for the first."""

    async def inherited(self, most: int, lease_s: float) -> Sequence[Delivery | Unreadable]:
        """At most `most` entries whose reader has not been heard of for `lease_s`: they are ours from now on.

        Raises `Transient` too if the transport answers so late that the living may have been silent through no fault
        of theirs.
        """

    async def leave(self) -> None:
        """Take our name out of the group, unless work is still pending under it."""


class Heartbeat(Protocol):
    """Keeps a worker's leases and pending entries while it works, however busy the worker itself is.

    It stops for a worker that is dead or stopped (SIGSTOP), and for work whose time is over.
    """

    async def start(self) -> None:
        """Ready to keep what is told from now on."""

    def hold(self, delivery: Delivery, most_s: float | None = None) -> None:
        """Keep the hold on this delivery from now on, for at most `most_s`."""

    def let_go(self, delivery: Delivery) -> None:
        """Keep it no longer; one that was never told is no error."""

    async def keep(self, done: asyncio.Event) -> None:
        """See to it that the heart beats, until `done`."""


class Transport(Streams, Protocol):
    """The streams as the relay needs them. Every method raises `Transient` if the transport is away."""

    def reader(self, route: str) -> Reader: ...
    async def missing(self, published: Sequence[tuple[Pointer, str]]) -> Sequence[bool]:
        """For each pointer and its entry: is the entry gone from its stream, and does nobody hold the lease?"""

    async def publish_all(self, pointers: Sequence[Pointer]) -> Sequence[str]:
        """As `publish`, many work rows in one go."""

    async def feed(self, facts: Sequence[Mapping[str, str]], oldest_ms: int) -> None:
        """Write events to the feed and let go of what is older than `oldest_ms` (Unix time)."""

    async def meet(self, known: Known) -> Seen:
        """Tell the transport what the ledger knows of it; see `agent.epoch.Meet`."""
