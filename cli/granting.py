"""What a project or a key may use: options that both groups of commands share, and how it is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from agent.access import Access, Limits
from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.access import PostgresAccess
from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.migrate import migrate, require_current

UNLIMITED = Limits()
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Requests = Annotated[int | None, typer.Option("--requests-per-min", min=0, help="Runs begun a minute; 0: no limit.")]
Tokens = Annotated[int | None, typer.Option("--tokens-per-min", min=0, help="Tokens used a minute; 0: no limit.")]
Concurrent = Annotated[int | None, typer.Option("--concurrent-runs", min=0, help="Runs under way; 0: no limit.")]
Usd = Annotated[str | None, typer.Option("--usd-per-day", help="Dollars spent on a day (UTC); 0: no limit.")]


def limits_of(
    requests: int | None, tokens: int | None, concurrent: int | None, usd: str | None, known: Limits = UNLIMITED
) -> Limits:
    """The limits of these options; what is not given stays as it is known. Raises `typer.BadParameter`."""
    return Limits(
        requests_per_min=known.requests_per_min if requests is None else requests or None,
        tokens_per_min=known.tokens_per_min if tokens is None else tokens or None,
        concurrent_runs=known.concurrent_runs if concurrent is None else concurrent or None,
        usd_per_day=known.usd_per_day if usd is None else dollars(usd) or None,
    )


def dollars(value: str) -> Decimal:
    """An amount of money. Raises `typer.BadParameter`."""
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise typer.BadParameter(f"{value!r} is no amount of dollars, such as 2.50") from None
    if not amount.is_finite() or not 0 <= amount < 10**12:
        raise typer.BadParameter("must be between 0 and a million millions")
    return amount


def names(value: str | None, known: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """A list with commas; `all` for all there are, and what is known if nothing was given."""
    if value is None:
        return known
    return None if value.strip() == "all" else tuple(part.strip() for part in value.split(",") if part.strip())


def told(limits: Limits) -> str:
    """Limits for people: `60 requests/min, $2.50/day`."""
    words = {
        "requests_per_min": "{} requests/min",
        "tokens_per_min": "{} tokens/min",
        "concurrent_runs": "{} at once",
        "usd_per_day": "${}/day",
    }
    found = ((word, getattr(limits, name)) for name, word in words.items())
    return ", ".join(word.format(value) for word, value in found if value is not None)


def listed(allowed: Sequence[str] | None) -> str:
    """What may be used, for people."""
    return "all" if allowed is None else ", ".join(allowed) or "none"


@asynccontextmanager
async def access(urls: EngineUrls, *, make: bool = False) -> AsyncIterator[Access]:
    """The ledger's projects and keys. With `make` a ledger that is not there yet is made."""
    await (migrate(urls.database_url) if make else require_current(urls.database_url))
    pool = await connect(urls.database_url, most=2)
    try:
        yield PostgresAccess(pool)
    finally:
        await pool.close()


def values_of(thing: Any) -> dict[str, Any]:
    """A project or a key for JSON, without what is secret."""
    hidden = {"hash", "link_secret", "limits"}
    shown = {it.name: getattr(thing, it.name) for it in fields(thing) if it.name not in hidden}
    return {**shown, "limits": {it.name: getattr(thing.limits, it.name) for it in fields(Limits)}}
