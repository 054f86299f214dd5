"""What monitoring learns of each delivery: a span, a count and a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from agent.outcome import Advance, Bury, Outcome, Postpone
from agent.ports import Begun, Delivery
from agent.telemetry import metrics, tracing

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Seen:
    """What became of one delivery; whoever handles it says so. `interrupted` if nobody did."""

    route: str
    outcome: str = "interrupted"

    def moved_on(self) -> None:
        """There was nothing to do any more."""
        self.outcome = "moved_on"

    def held_elsewhere(self) -> None:
        """Another worker is at it."""
        self.outcome = "held"

    def handed_back(self) -> None:
        """This worker stops; another one will do it."""
        self.outcome = "handed_back"

    def settled(self, begun: Begun, outcome: Outcome, won: bool) -> bool:
        """It came to an outcome, which the ledger took or not; gives `won` back."""
        self.outcome = _word(outcome) if won else "fenced"
        if not won:
            log.warning("outcome_refused", delivery=begun.number, outcome=_word(outcome))
            return False
        if isinstance(outcome, Bury):
            metrics.DEAD_LETTERS.labels(self.route, outcome.kind).inc()
            metrics.RUNS.labels(begun.agent, "failed").inc()
        elif isinstance(outcome, Advance) and outcome.route is None:
            metrics.RUNS.labels(begun.agent, outcome.status).inc()
        return True


@contextmanager
def observed(delivery: Delivery) -> Iterator[Seen]:
    """Around the handling of a delivery: its span belongs to the run's trace, whoever works on it and how often."""
    pointer, began = delivery.pointer, time.monotonic()
    seen = Seen(pointer.route)
    told: dict[str, tracing.Attribute] = {
        "messaging.system": "redis",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": pointer.route,
        "messaging.consumer.group.name": pointer.route,
        "messaging.message.id": delivery.entry,
        "cuelight.run": pointer.run,
        "cuelight.event": str(pointer.key),
        "cuelight.attempt": pointer.attempt,
    }
    with tracing.span(f"process {pointer.route}", tracing.CONSUMER, told, pointer.trace) as span:
        try:
            yield seen
        finally:
            span.set_attribute("cuelight.outcome", seen.outcome)
            metrics.DELIVERIES.labels(pointer.route, seen.outcome).inc()
            metrics.DELIVERY_SECONDS.labels(pointer.route, seen.outcome).observe(time.monotonic() - began)


def _word(outcome: Outcome) -> str:
    match outcome:
        case Advance(route=None):
            return "end"
        case Postpone(counted=False):
            return "park"
        case _:
            return type(outcome).__name__.lower()
