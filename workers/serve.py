"""A worker built from settings, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import structlog

from agent.envelope import index
from agent.errors import Misconfigured
from agent.pauses import PauseWatch
from agent.settings import Settings
from agent.telemetry import serving
from agent.wiring import Cast, Connected, archive_prompts, cast, connected, model_book, searcher
from workers.decide import Decider
from workers.perform import Perform
from workers.persistent import Persistent
from workers.relay import Relay
from workers.spill import Spill
from workers.worker import Worker

log = structlog.get_logger(__name__)


async def serve(
    settings: Settings,
    database_url: str,
    redis_url: str,
    stop: asyncio.Event,
    routes: Sequence[str] = (),
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Work on `routes` (all of them when empty) until `stop`; `ready` is told when work can come.

    Raises `Misconfigured` before anything was begun.
    """
    company = cast(settings)
    unknown = sorted(set(routes) - set(company.routes))
    if unknown:
        raise Misconfigured(f"there is no route {unknown[0]!r}; the agents have {', '.join(company.routes)}")
    serving.serve(settings.metrics_host, settings.metrics_port)
    async with connected(settings, database_url, redis_url) as engines, PauseWatch(engines.pauses).running() as pauses:
        await archive_prompts(company.book, company.agents, engines.ledger)
        models, search = model_book(settings), searcher(settings, engines.library)
        try:
            perform = Perform(models, search.search)
            worker = build(settings, company, engines, perform, routes or company.routes, pauses.route)
            log.info("worker_started", routes=list(routes or company.routes), worker=engines.instance)
            await worker.run(stop, ready)
            log.info("worker_stopped", worker=engines.instance)
        finally:
            await models.close()
            search.close()


def build(
    settings: Settings,
    company: Cast,
    engines: Connected,
    perform: Perform,
    routes: Sequence[str],
    paused: Callable[[str], bool] = lambda route: False,
) -> Worker:
    """A worker over engines that are open already."""
    ledger = Persistent(engines.ledger, Spill(settings.data_dir / "spill"))
    types = index(dict.fromkeys(chain.from_iterable(bound.catalogue.values() for bound in company.agents.values())))
    relay = Relay(
        engines.sweeps,
        engines.streams,
        types,
        every_s=settings.sweep_s,
        look_s=settings.look_s,
        feed_retention_s=settings.feed_retention_s,
    )
    decider = Decider(
        company.agents, perform, ledger, company.book, engines.ledger, max_deliveries=settings.max_deliveries
    )
    return Worker(
        decider,
        ledger,
        engines.streams,
        relay,
        routes=routes,
        slots=settings.slots,
        lease_s=settings.lease_s,
        drain_s=settings.drain_s,
        chores=[partial(ledger.keep_adopting, engines.streams)],
        paused=paused,
    )
