"""Connections to PostgreSQL, and the two kinds of transaction that this package uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

Pool = asyncpg.Pool
Connection = Any
"""asyncpg's pool hands out proxies that its types do not name."""

PINS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
}
"""Plans prepared on empty tables would go on scanning when the tables have grown, so index plans are pinned. Planning
such a statement costs more than running it, so it is planned once per connection."""

BEGIN = "begin; " + "; ".join(f"set local {name} = '{value}'" for name, value in PINS.items())


async def connect(url: str, *, most: int = 6) -> Pool:
    """A pool of at most `most` connections. Raises what asyncpg raises."""
    return await _pool(url, 1, most)


async def connect_hot(url: str, *, most: int = 2) -> Pool:
    """A pool for the statements of every hop, with pinned plans: each statement is a transaction without more ado.

    Raises what asyncpg raises. A pooler in transaction mode may give such a statement to a connection that is not
    pinned: that costs time, and nothing else.
    """
    return await _pool(url, most, most, init=_pin)


async def _pool(url: str, least: int, most: int, **more: Any) -> Pool:
    return await asyncpg.create_pool(
        url,
        min_size=least,
        max_size=most,
        command_timeout=30,
        timeout=10,
        server_settings={"application_name": "cuelight", "jit": "off"},
        reset=_nothing_to_reset,
        **more,
    )


async def _pin(connection: Connection) -> None:
    await connection.execute("; ".join(f"set {name} = '{value}'" for name, value in PINS.items()))


async def _nothing_to_reset(connection: Connection) -> None:
    """No setting differs between two uses of a connection, so asyncpg's reset would be a round trip for nothing."""


@asynccontextmanager
async def transaction(pool: Pool, *, durable: bool = True) -> AsyncIterator[Connection]:
    """A transaction with pinned index plans. Without `durable` a crash of the server may lose it, nothing else can."""
    begin = BEGIN if durable else f"{BEGIN}; set local synchronous_commit = off"
    async with pool.acquire(timeout=10) as connection, _between(connection, begin):
        yield connection


@asynccontextmanager
async def hot_transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A durable transaction on a connection of `connect_hot`, whose plans are pinned already."""
    async with pool.acquire(timeout=10) as connection, _between(connection, "begin"):
        yield connection


@asynccontextmanager
async def _between(connection: Connection, begin: str) -> AsyncIterator[None]:
    await connection.execute(begin)
    try:
        yield
    except BaseException:
        await _roll_back(connection)
        raise
    await connection.execute("commit")


async def _roll_back(connection: Connection) -> None:
    """What went wrong is told by the error at hand; a connection that cannot even do this is thrown away."""
    try:
        await connection.execute("rollback")
    except Exception:
        connection.terminate()
