"""A worker, or a relay alone, built from settings, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import structlog

from agent.envelope import index
from agent.errors import Misconfigured
from agent.pauses import PauseWatch
from agent.recalling import Recollection
from agent.settings import Settings
from agent.telemetry import serving
from agent.wiring import Cast, Connected, archive_prompts, cast, connected, model_book, remote_tools, searcher, sender
from workers.courier import Courier
from workers.decide import Decider
from workers.pacing import Knocking, Pacing
from workers.perform import Perform
from workers.persistent import Persistent
from workers.recover import Recovery
from workers.relay import Relay
from workers.spill import Spill
from workers.tools import Tools
from workers.worker import Chore, Worker

log = structlog.get_logger(__name__)

LEASE_SLACK_S = 10.0
"""What a delivery may take beyond its time-out until its end is on record."""


async def serve(
    settings: Settings,
    database_url: str,
    redis_url: str,
    stop: asyncio.Event,
    routes: Sequence[str] = (),
    ready: Callable[[], None] = lambda: None,
    *,
    relaying: bool = True,
) -> None:
    """Work on `routes` (all of them when empty) until `stop`, and relay; `ready` is told when work can come.

    Raises `Misconfigured` before anything was begun.
    """
    company = cast(settings)
    unknown = sorted(set(routes) - set(company.routes))
    if unknown:
        raise Misconfigured(f"there is no route {unknown[0]!r}; the agents have {', '.join(company.routes)}")
    serving.serve(settings.metrics_host, settings.metrics_port)
    async with (
        connected(settings, database_url, redis_url, "worker") as engines,
        PauseWatch(engines.pauses).running() as pauses,
        remote_tools(company.agents, settings.start_wait_s),
    ):
        await archive_prompts(company.book, company.agents, engines.ledger)
        models, search = model_book(settings, engines.notes), searcher(settings, engines.library)
        try:
            perform = Perform(models, search.search, Recollection(engines.conversations), Tools(company.agents))
            mine = routes or company.routes
            worker = build(settings, company, engines, perform, mine, pauses.route, relaying=relaying)
            log.info("worker_started", routes=list(mine), worker=engines.instance)
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
    *,
    relaying: bool = True,
) -> Worker:
    """A worker over engines that are open already."""
    ledger = Persistent(engines.ledger, Spill(settings.data_dir / "spill"), engines.streams)
    pacing = Pacing(engines.pacer, models=settings.paid())
    resting = {route: Knocking(partial(pacing.waiting, company.models_at(route))) for route in routes}
    besides: Sequence[Chore] = (build_relay(settings, company, engines).run, partial(carry, settings, engines))
    decider = Decider(
        company.agents,
        perform,
        ledger,
        company.book,
        engines.ledger,
        pacing=pacing,
        max_deliveries=settings.max_deliveries,
    )
    return Worker(
        decider,
        ledger,
        engines.streams,
        engines.heartbeat,
        routes=routes,
        slots=settings.slots,
        lease_s=settings.lease_s,
        drain_s=settings.drain_s,
        chores=[
            partial(decider.watch.run, ledger),
            ledger.keep_adopting,
            *(besides if relaying else ()),
        ],
        paused=paused,
        resting=resting,
    )


async def serve_relay(
    settings: Settings,
    database_url: str,
    redis_url: str,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Relay for workers that do not, until `stop`. Raises `Misconfigured` before anything was begun."""
    company = cast(settings)
    serving.serve(settings.metrics_host, settings.metrics_port)
    async with connected(settings, database_url, redis_url, "relay") as engines:
        log.info("relay_started", relay=engines.instance)
        ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(build_relay(settings, company, engines).run(stop))
            tasks.create_task(carry(settings, engines, stop))
        log.info("relay_stopped", relay=engines.instance)


async def carry(settings: Settings, engines: Connected, stop: asyncio.Event) -> None:
    """Tell endpoints of endings until `stop`."""
    out = sender(settings)
    courier = Courier(
        engines.outgoing,
        out.send,
        slots=settings.webhooks_slots,
        every_s=settings.sweep_s,
        lease_s=2 * settings.webhooks_timeout_s + LEASE_SLACK_S,
    )
    try:
        await courier.run(stop)
    finally:
        await out.close()


def build_relay(settings: Settings, company: Cast, engines: Connected) -> Relay:
    """A relay over engines that are open already. It minds the routes of all agents, whoever works on them."""
    recovery = Recovery(
        engines.epochs,
        engines.sweeps,
        engines.streams,
        routes=company.routes,
        every_s=settings.sweep_s,
        lease_s=settings.lease_s,
    )
    return Relay(
        engines.sweeps,
        engines.streams,
        index(dict.fromkeys(chain.from_iterable(bound.catalogue.values() for bound in company.agents.values()))),
        recovery,
        engines.privacy,
        every_s=settings.sweep_s,
        look_s=settings.look_s,
        feed_retention_s=settings.feed_retention_s,
        purge_grace_s=settings.purge_grace_s,
    )
