"""The doctor's facts of the ledger: what stands in it at one moment, and what the server says of itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.adapters.ledger.connect import Connection, Pool
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.migrate import known
from agent.adapters.ledger.queries import sql
from agent.doctor.facts import (
    Bond,
    FailingWebhook,
    Handed,
    Instance,
    Job,
    LedgerFacts,
    Letters,
    Limits,
    Sample,
    ahead_s,
)
from agent.epoch import Known
from agent.inspection import Backlog
from agent.pauses import Pause
from agent.ports import Pointer

EXAMPLES = 5
RECENT_RUNS = 2_000
CARRIED = 1_000
CONNECTIONS = "select count(*) from pg_stat_activity where backend_type = 'client backend'"


@dataclass(frozen=True, slots=True)
class Checkup:
    """The facts, and the work that is said to stand in a stream, with its entry: the streams know whether it does."""

    facts: LedgerFacts | None
    carried: Sequence[tuple[Pointer, str]] = ()


async def check_up(pool: Pool, limits: Limits) -> Checkup:
    """All of it in one snapshot: what contradicts itself in here is a fault, not a race. Raises `Transient`."""
    with reached():
        async with pool.acquire(timeout=10) as connection:
            server = await _server(connection)
            missing, newer = await _migrations(connection)
            if missing:
                return Checkup(LedgerFacts(missing_migrations=missing, newer_migration=newer, **server))
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                facts = LedgerFacts(newer_migration=newer, **server, **await _rows(connection, limits))
                return Checkup(facts, await _carried(connection, limits))


async def _server(connection: Connection) -> dict[str, Any]:
    before = time.time()
    now = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
    after = time.time()
    settings = {row["name"]: row["setting"] for row in await connection.fetch(sql("doctor_settings"))}
    return {
        "clock_ahead_s": ahead_s(now, before, after),
        "settings": settings,
        "in_recovery": await connection.fetchval("select pg_is_in_recovery()"),
        "connections": await connection.fetchval(CONNECTIONS),
    }


async def _migrations(connection: Connection) -> tuple[Sequence[str], int | None]:
    if not await connection.fetchval("select to_regclass('migrations') is not null"):
        return [path.stem for path in known().values()], None
    applied = {row["number"] for row in await connection.fetch("select number from migrations")}
    newest = max(applied, default=0)
    missing = [path.stem for number, path in known().items() if number not in applied]
    return missing, newest if newest > max(known()) else None


async def _rows(connection: Connection, limits: Limits) -> dict[str, Any]:
    async def fetch(name: str, *values: Any) -> list[Any]:
        found: list[Any] = await connection.fetch(sql(name), *values)
        return found

    (feed,) = await fetch("doctor_feed", limits.feed_s)
    (bond,) = await fetch("doctor_transport")
    return {
        "orphans": _sample(await fetch("doctor_orphans", EXAMPLES)),
        "strays": _sample(await fetch("doctor_strays", EXAMPLES)),
        "misplaced": _sample(await fetch("doctor_misplaced", EXAMPLES)),
        "overdue": _sample(await fetch("doctor_overdue", EXAMPLES, limits.overdue_s)),
        "unpublished": by_route(await fetch("doctor_unpublished", EXAMPLES, limits.unpublished_s)),
        "stalled": by_route(await fetch("stalled", EXAMPLES, limits.stall_s, limits.gone_s)),
        "handed": [Handed(**row) for row in await fetch("doctor_handed", max(limits.max_deliveries - 2, 2))],
        "gaps": _sample(await fetch("doctor_gaps", EXAMPLES, RECENT_RUNS)),
        "endless": _sample(await fetch("doctor_endless", EXAMPLES, RECENT_RUNS)),
        "letters": [Letters(**row) for row in await fetch("doctor_letters")],
        "feed_behind": Sample(feed["count"], oldest_s=feed["oldest_s"]),
        "backlog": {row["route"]: Backlog(**row) for row in await fetch("backlog")},
        "waits": {row["route"]: row["oldest_s"] for row in await fetch("waiting")},
        "pauses": [Pause(**row) for row in await fetch("pauses")],
        "instances": [Instance(**row) for row in await fetch("doctor_instances")],
        "jobs": [Job(**row) for row in await fetch("doctor_jobs")],
        "webhooks": [FailingWebhook(**row) for row in await fetch("doctor_webhooks", limits.webhook_s)],
        "bond": _bond(bond),
        "locked": (await fetch("access_locked"))[0]["locked"],
    }


def _bond(row: Any) -> Bond:
    known = Known(row["epoch"], row["mark"], row["server"])
    return Bond(known, row["looked_s"], row["losses"], row["lost_s"], row["audit_due_s"])


async def _carried(connection: Connection, limits: Limits) -> list[tuple[Pointer, str]]:
    rows = await connection.fetch(sql("doctor_carried"), limits.unmoved_s, CARRIED)
    names = ("run_id", "generation", "seq", "route", "attempt")
    return [(Pointer(*(row[name] for name in names)), row["entry"]) for row in rows]


def by_route(rows: Sequence[Any]) -> Mapping[str, Sample]:
    """Rows of `route`, `count`, `examples` and `oldest_s`."""
    return {row["route"]: Sample(row["count"], tuple(row["examples"]), row["oldest_s"]) for row in rows}


def _sample(rows: Sequence[Any]) -> Sample:
    if not rows:
        return Sample()
    return Sample(rows[0]["count"], tuple(row["example"] for row in rows), max(row["oldest_s"] for row in rows))
