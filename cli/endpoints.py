"""Endpoints and deliveries on a terminal, and the door to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from rich.table import Table

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.migrate import migrate, require_current
from agent.adapters.ledger.webhooks import PostgresWebhooks
from agent.webhooks import AttemptLook, DeliveryLook, Endpoint, Webhooks
from cli.plain import text

T = TypeVar("T")
Act = Callable[[Webhooks], Awaitable[T]]


@asynccontextmanager
async def webhooks(urls: EngineUrls, *, make: bool = False) -> AsyncIterator[Webhooks]:
    """The ledger's endpoints. With `make` a ledger that is not there yet is made."""
    await (migrate(urls.database_url) if make else require_current(urls.database_url))
    pool = await connect(urls.database_url, most=2)
    try:
        yield PostgresWebhooks(pool)
    finally:
        await pool.close()


def state(it: Endpoint) -> str:
    """What can be said of an endpoint's life."""
    if it.disabled_at is not None:
        return f"is gone since {_time(it.disabled_at)}"
    rotating = f"; earlier secrets sign until {_time(it.rotating_until)}" if it.rotating_until else ""
    return (f"fails since {_time(it.failing_since)}" if it.failing_since else "is good") + rotating


def table_of_endpoints(found: Sequence[Endpoint]) -> Table:
    rows = [
        (it.id, it.project, it.url, ", ".join(it.events or ("all",)), state(it), str(it.waiting), str(it.failed))
        for it in found
    ]
    return _table(("endpoint", "project", "url", "events", "state", "waiting", "failed"), rows)


def table_of_deliveries(found: Sequence[DeliveryLook]) -> Table:
    rows = [
        (it.event, it.type, it.run, it.state, str(it.attempts), _came(it.status, it.error), _time(it.due_at))
        for it in found
    ]
    return _table(("event", "type", "response", "state", "attempts", "last", "next"), rows)


def table_of_attempts(found: Sequence[AttemptLook]) -> Table:
    rows = [
        (
            str(it.number),
            _time(it.began_at),
            _came(it.status, it.error) if it.ended_at else "unknown",
            "" if it.duration_ms is None else f"{it.duration_ms} ms",
        )
        for it in found
    ]
    return _table(("attempt", "began", "came of it", "took"), rows)


def _came(status: int | None, error: str) -> str:
    words = (str(status) if status is not None else "", error if error != "status" else "")
    return " ".join(word for word in words if word)


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """The first column is an id, which must be read whole."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for number, name in enumerate(names):
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(text(value) for value in row))
    return table
