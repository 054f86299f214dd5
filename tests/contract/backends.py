"""What the contract suite needs of an implementation, and the in-memory twin as one.

`tests/contract/real.py` is the other one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from agent.access import Access
from agent.approvals import Approvals
from agent.callers import Callers
from agent.cancels import Cancels
from agent.envelope import Envelope
from agent.evaluation import Evaluations
from agent.fairness import Share
from agent.jobs import Jobs
from agent.letters import Letters
from agent.metering import Counters, Meter
from agent.pacing import Pacer, Target
from agent.pauses import Pauses
from agent.ports import Delivery, Doorbell, Ledger, Place, Pointer, RunView, Streams, Unreadable
from agent.presence import Presence
from agent.privacy import Privacy
from agent.recalling import Conversations
from agent.testing import (
    AttemptRow,
    AuditRow,
    CallRow,
    DeadLetter,
    HeldClock,
    MemoryAccess,
    MemoryCallers,
    MemoryCancels,
    MemoryConversations,
    MemoryCounters,
    MemoryEvaluations,
    MemoryJobs,
    MemoryLedger,
    MemoryLetters,
    MemoryMeter,
    MemoryPacer,
    MemoryPauses,
    MemoryPresence,
    MemoryPrivacy,
    MemoryStreams,
    MemoryWebhooks,
    WorkRow,
)
from agent.testing.approvals import MemoryApprovals
from agent.webhooks import Outgoing, Webhooks


class LedgerUnderTest(Ledger, Protocol):
    """A ledger with the part of the shelf that belongs to runs."""

    async def view(self, run: str, project: str, /) -> RunView | None: ...
    async def ended(self, runs: Sequence[str], /) -> Sequence[str]: ...
    async def places(self, runs: Sequence[str], /) -> Mapping[str, Place]: ...
    async def happened(self, run: str, generation: int, /) -> Sequence[Envelope]: ...
    async def ping(self) -> None: ...


class Store(Protocol):
    """A ledger, a hand on its clock, and a look at its rows."""

    @property
    def ledger(self) -> LedgerUnderTest: ...
    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass for all work, keys and processes there are."""

    async def due(self) -> list[Pointer]:
        """Where the open runs stand that are due."""

    async def work(self, run: str) -> WorkRow | None: ...
    async def events(self, run: str) -> list[Envelope]: ...
    async def attempts(self, run: str) -> list[AttemptRow]:
        """In the order in which they were opened."""

    async def calls(self, run: str) -> list[CallRow]: ...
    async def dead_letters(self) -> list[DeadLetter]: ...
    @property
    def letters(self) -> Letters: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def evaluations(self) -> Evaluations: ...
    @property
    def pauses(self) -> Pauses: ...
    @property
    def meter(self) -> Meter: ...
    @property
    def access(self) -> Access: ...
    @property
    def callers(self) -> Callers: ...
    @property
    def cancels(self) -> Cancels: ...
    @property
    def approvals(self) -> Approvals: ...
    @property
    def privacy(self) -> Privacy: ...
    @property
    def conversations(self) -> Conversations: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def outgoing(self) -> Outgoing: ...
    async def feed(self) -> None:
        """What a relay does: let the feed tell all that has happened."""

    async def end_overdue(self) -> Sequence[str]:
        """What a relay does to runs whose deadline has passed."""

    @property
    def presence(self) -> Presence: ...
    async def audit(self) -> list[AuditRow]: ...
    async def project(self, name: str) -> None:
        """Let there be another project."""

    async def instances(self) -> list[str]:
        """Every process that is on record, alive or not, by name."""

    async def purge(self, run: str) -> None:
        """Mark a run as one whose text was removed."""


class StreamsUnderTest(Streams, Doorbell, Protocol):
    """Both ends of the transport."""


class Counting(Protocol):
    """Counters, and a hand on their server's clock and memory."""

    @property
    def counters(self) -> Counters: ...
    async def advance(self, seconds: int) -> None:
        """Let so much time pass for what was counted."""

    async def wipe(self) -> None:
        """What FLUSHALL does."""


class PacingUnderTest(Protocol):
    """A pacer, and a hand on its store's clock and memory."""

    @property
    def pacer(self) -> Pacer: ...
    @property
    def spent(self) -> dict[Target, Decimal]:
        """What the ledger says that models have cost today."""

    async def advance(self, seconds: int) -> None:
        """Let so much time pass for all that stands there."""

    async def wipe(self) -> None:
        """What FLUSHALL does."""


class Transport(Protocol):
    """Streams, and what a reader and an operator do with them."""

    @property
    def streams(self) -> StreamsUnderTest: ...
    async def read(self, route: str, most: int) -> list[Delivery | Unreadable]:
        """Entries of a route that nobody has read yet; they are pending from now on."""

    async def redeliver(self, route: str) -> list[Delivery | Unreadable]:
        """Entries that were read and never acked, once more, as for the heir of a dead worker."""

    async def put(self, route: str, fields: Mapping[str, str]) -> str:
        """Add an entry as a stranger might; its id."""

    async def entries(self, route: str) -> dict[str, dict[str, str]]:
        """What stands in a route's stream, by id."""

    async def pending(self, route: str) -> list[str]:
        """Ids that were read and not acked."""

    def shared(self, bulk: int) -> StreamsUnderTest:
        """The same streams, of which a project may fill so much."""


class MemoryStore:
    """The twin."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.letters = MemoryLetters(self.ledger)
        self.jobs = MemoryJobs(self.ledger, self.letters)
        self.evaluations = MemoryEvaluations(self.ledger)
        self.pauses = MemoryPauses(self.ledger)
        self.access = MemoryAccess(self.ledger)
        self.meter = MemoryMeter(self.ledger)
        self.presence = MemoryPresence(self.ledger)
        self.callers = MemoryCallers(self.ledger, self.presence)
        self.cancels = MemoryCancels(self.ledger)
        self.approvals = MemoryApprovals(self.ledger)
        self.privacy = MemoryPrivacy(self.ledger)
        self.conversations = MemoryConversations(self.ledger)
        self.webhooks = self.outgoing = MemoryWebhooks(self.ledger)

    async def feed(self) -> None:
        """The twin has none."""

    async def end_overdue(self) -> Sequence[str]:
        return [begun.pointer.run for begun in await self.cancels.end_overdue()]

    async def audit(self) -> list[AuditRow]:
        return self.ledger.audit

    async def project(self, name: str) -> None:
        """The twin takes any."""

    async def instances(self) -> list[str]:
        return sorted(self.presence.rows)

    async def purge(self, run: str) -> None:
        self.ledger.runs[run].purged = True

    async def advance(self, seconds: float) -> None:
        self.ledger.clock.advance(seconds)

    async def due(self) -> list[Pointer]:
        return self.ledger.due()

    async def work(self, run: str) -> WorkRow | None:
        return self.ledger.work.get(run)

    async def events(self, run: str) -> list[Envelope]:
        return list(self.ledger.events.get(run, ()))

    async def attempts(self, run: str) -> list[AttemptRow]:
        return [attempt for attempt in self.ledger.attempts.values() if attempt.key.run == run]

    async def calls(self, run: str) -> list[CallRow]:
        return [call for call in self.ledger.calls.values() if call.key.run == run]

    async def dead_letters(self) -> list[DeadLetter]:
        return list(self.ledger.dead_letters.values())


class MemoryCounting:
    """The twin."""

    def __init__(self) -> None:
        self._clock = HeldClock()
        self.counters = MemoryCounters(self._clock)

    async def advance(self, seconds: int) -> None:
        self._clock.advance(seconds)

    async def wipe(self) -> None:
        self.counters.wipe()


class MemoryPacing:
    """The twin."""

    def __init__(self) -> None:
        self._clock = HeldClock()
        self.pacer = MemoryPacer(self._clock)
        self.spent = self.pacer.spent

    async def advance(self, seconds: int) -> None:
        self._clock.advance(seconds)

    async def wipe(self) -> None:
        self.pacer.wipe()


class MemoryTransport:
    """The twin."""

    def __init__(self) -> None:
        self.streams = MemoryStreams()

    async def read(self, route: str, most: int) -> list[Delivery | Unreadable]:
        return self.streams.read(route, most, "tester")

    async def redeliver(self, route: str) -> list[Delivery | Unreadable]:
        pending = self.streams.pending(route)
        self.streams.redeliver()
        return self.streams.read(route, len(pending), "heir")

    async def put(self, route: str, fields: Mapping[str, str]) -> str:
        return self.streams.put(route, fields)

    async def entries(self, route: str) -> dict[str, dict[str, str]]:
        return self.streams.entries(route)

    async def pending(self, route: str) -> list[str]:
        return self.streams.pending(route)

    def shared(self, bulk: int) -> StreamsUnderTest:
        self.streams.share = Share(bulk)
        return self.streams
