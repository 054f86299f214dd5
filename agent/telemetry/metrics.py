"""Every counter and histogram of the service: their names are data, and are never renamed.

The processes of one machine may share a directory (`PROMETHEUS_MULTIPROC_DIR`, as `cuelight up` does): then each of
them tells of all. Labels hold names from settings and code only, never a run's id or a caller's words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from decimal import Decimal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from agent.events import Usage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)

DELIVERIES = Counter("cuelight_deliveries", "Deliveries by route and what they ended in.", ["route", "outcome"])
"""`outcome`: advance, end, postpone, park, bury, fenced (somebody was first), moved_on (a duplicate),
held (by another worker), handed_back (at a shutdown), interrupted."""
DELIVERY_SECONDS = Histogram(
    "cuelight_delivery_seconds", "From the hand-over to the commit, in seconds.", ["route", "outcome"], buckets=QUICK_S
)
TAKE_OVERS = Counter("cuelight_take_overs", "Entries taken over from workers that were not heard of.", ["route"])
DEAD_LETTERS = Counter("cuelight_dead_letters", "Work that was set aside, by error class.", ["route", "kind"])
RUNS = Counter("cuelight_runs", "Runs that ended, by agent and status.", ["agent", "status"])
PUBLISHED_AGAIN = Counter("cuelight_published_by_relay", "Work rows that the relay had to publish.")
WEBHOOKS = Counter("cuelight_webhook_attempts", "Attempts at telling endpoints, by what came of them.", ["outcome"])
"""`outcome`: delivered, or a word for what went wrong."""
REDIS_LOSSES = Counter("cuelight_redis_losses", "Times that Redis was found to have lost something.", ["kind"])

CALLS = Counter("cuelight_model_calls", "Model calls by what came of them.", ["model", "endpoint", "status"])
"""`status`: answered, unknown, or the failure class."""
CALL_SECONDS = Histogram("cuelight_model_call_seconds", "How long model calls took.", ["model"], buckets=QUICK_S)
CALLS_HELD = Counter(
    "cuelight_model_calls_held",
    "Calls that were not made, by what their model was on hold for.",
    ["model", "endpoint", "kind"],
)
TOKENS = Counter("cuelight_tokens", "Tokens of model calls, failed ones included.", ["model", "kind"])
COST = Counter("cuelight_cost_usd", "Cost of model calls whose price is known, in USD.", ["model"])

REQUESTS = Counter("cuelight_http_requests", "HTTP requests by route and status.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "cuelight_http_request_seconds", "From the request's head to the reply's end.", ["route"], buckets=QUICK_S
)


def count_call(
    model: str, endpoint: str, status: str, seconds: float, usage: Usage | None, cost_usd: Decimal | None
) -> None:
    """One model call, whatever came of it."""
    CALLS.labels(model, endpoint, status).inc()
    CALL_SECONDS.labels(model).observe(seconds)
    if usage is not None:
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            TOKENS.labels(model, kind).inc(tokens)
    if cost_usd is not None:
        COST.labels(model).inc(float(cost_usd))


def shared() -> bool:
    """Whether several processes of this machine tell their figures together."""
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


def page(*gauges: GaugeMetricFamily) -> bytes:
    """All figures in Prometheus' text format, with `gauges` of this very moment."""
    registry = CollectorRegistry()
    if shared():
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it registers itself
    else:
        registry.register(_Given(REGISTRY.collect))
    registry.register(_Given(lambda: gauges))
    return generate_latest(registry)


class _Given(Collector):
    """A collector of what a function brings."""

    def __init__(self, bring: Callable[[], Iterable[object]]) -> None:
        self._bring = bring

    def collect(self) -> Iterable[object]:  # type: ignore[override]
        return self._bring()

    def describe(self) -> Iterable[object]:
        """Nothing: names are checked where they are made."""
        return ()
