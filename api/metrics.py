"""`/metrics`: counters for Prometheus, and what waits where at this moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog
from prometheus_client.core import GaugeMetricFamily
from starlette.requests import Request
from starlette.responses import Response

from agent.errors import Transient
from agent.inspection import Backlog, Overview, RouteLook
from agent.pacing import Hold
from agent.telemetry import metrics
from api.door import Door

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

OF_STREAMS: Mapping[str, tuple[str, Callable[[RouteLook], float | None]]] = {
    "cuelight_stream_entries": ("Entries in a route's stream.", lambda look: look.length),
    "cuelight_stream_pending": ("Entries that were handed out and not acknowledged.", lambda look: look.pending),
    "cuelight_stream_lag": ("Entries that nobody has read yet.", lambda look: look.lag),
    "cuelight_stream_oldest_seconds": ("Age of the oldest entry.", lambda look: look.oldest_s or 0),
    "cuelight_stream_consumers": ("Names in a route's group.", lambda look: len(look.consumers)),
}
OF_WORK: Mapping[str, tuple[str, Callable[[Backlog], float | None]]] = {
    "cuelight_work_open": ("Open runs at a route.", lambda work: work.open),
    "cuelight_work_due": ("Open runs that are due.", lambda work: work.due),
    "cuelight_work_postponed": ("Open runs that are tried again later.", lambda work: work.postponed),
    "cuelight_work_unpublished": ("Open runs that are due and in no stream.", lambda work: work.unpublished),
    "cuelight_work_oldest_due_seconds": ("How long the oldest one has been due.", lambda work: work.oldest_due_s or 0),
}


class Metrics:
    """The call of a monitoring system."""

    def __init__(self, door: Door) -> None:
        self._overview = door.overview
        self._holds = door.holds

    async def page(self, request: Request) -> Response:
        """GET /metrics: the figures of this process, or of all on this machine that share them, and the backlog.

        The backlog is left out while an engine is away: what the processes count is worth telling all the same.
        """
        return Response(metrics.page(*await self._waiting(), *await self._held()), media_type=metrics.CONTENT_TYPE)

    async def _waiting(self) -> Sequence[GaugeMetricFamily]:
        if self._overview is None:
            return ()
        try:
            return gauges(await self._overview())
        except Transient as error:
            log.warning("backlog_unknown", error=str(error))
            return ()

    async def _held(self) -> Sequence[GaugeMetricFamily]:
        if self._holds is None:
            return ()
        try:
            return (held(await self._holds()),)
        except Transient as error:
            log.warning("holds_unknown", error=str(error))
            return ()


def held(holds: Sequence[Hold]) -> GaugeMetricFamily:
    """What is on hold, with the seconds that are left; an agent where it is held for that one only."""
    text = "Seconds for which a model is on hold yet."
    family = GaugeMetricFamily("cuelight_model_held_seconds", text, labels=["model", "endpoint", "kind", "agent"])
    for it in holds:
        family.add_metric([it.target.model, it.target.endpoint, it.kind, it.agent], it.left_s)
    return family


def gauges(overview: Overview) -> Sequence[GaugeMetricFamily]:
    """An overview as figures of this moment."""
    looks, works = [look for look, _ in overview.routes], [work for _, work in overview.routes]
    letters = GaugeMetricFamily("cuelight_dead_letters_open", "Dead letters that wait.", labels=["kind"])
    for kind, count in overview.dead_letters.items():
        letters.add_metric([kind], count)
    of_streams = [
        _gauge(name, text, [(it.route, value(it)) for it in looks]) for name, (text, value) in OF_STREAMS.items()
    ]
    of_work = [_gauge(name, text, [(it.route, value(it)) for it in works]) for name, (text, value) in OF_WORK.items()]
    return [*of_streams, *of_work, letters]


def _gauge(name: str, text: str, values: Sequence[tuple[str, float | None]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["route"])
    for route, value in values:
        family.add_metric([route], value or 0)
    return family
