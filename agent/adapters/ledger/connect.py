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


PATIENCE_S = 6.0
"""How long a statement may take. A network that swallows what is sent tells nobody: this is when it is noticed."""


async def connect(url: str, *, most: int = 6, patience_s: float = PATIENCE_S) -> Pool:
    """A pool of at most `most` connections; statements may take `patience_s`. Raises what asyncpg raises."""
    return await _pool(url, 1, most, patience_s)


async def connect_hot(url: str, *, most: int = 2) -> Pool:
    """A pool for the statements of every hop, with pinned plans: each statement is a transaction without more ado.

    Raises what asyncpg raises. A pooler in transaction mode may give such a statement to a connection that is not
    pinned: that costs time, and nothing else.
    """
    return await _pool(url, most, most, PATIENCE_S, init=_pin)


async def connect_reading(url: str, *, most: int = 2) -> Pool:
    """A pool whose connections write nothing: the server refuses it. Raises what asyncpg raises."""
    return await _pool(url, 1, most, PATIENCE_S, init=_only_read)


async def _pool(url: str, least: int, most: int, patience_s: float, **more: Any) -> Pool:
    return await asyncpg.create_pool(
        url,
        min_size=least,
        max_size=most,
        command_timeout=patience_s,
        timeout=5,
        server_settings={"application_name": "cuelight", "jit": "off"},
        reset=_nothing_to_reset,
        **more,
    )


async def _pin(connection: Connection) -> None:
    await connection.execute("; ".join(f"set {name} = '{value}'" for name, value in PINS.items()))


async def _only_read(connection: Connection) -> None:
    await connection.execute("set default_transaction_read_only = on")


async def _nothing_to_reset(connection: Connection) -> None:
    """No setting differs between two uses of a connection, so asyncpg's reset would be a round trip for nothing."""


@asynccontextmanager
async def acquired(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool. One whose server did not answer in time is thrown away: asking it to stop would only
    wait again, and so would whoever got it next."""
    async with pool.acquire(timeout=PATIENCE_S) as connection:
        try:
            yield connection
        except TimeoutError:
            await give_up(pool, connection)
            raise


async def give_up(pool: Pool, connection: Connection) -> None:
    """Throw a connection away whose server did not answer, and have those that lie idle in its pool made anew: they
    went the same way, and each of them would have to be waited for in turn."""
    connection.terminate()
    await pool.expire_connections()


async def fetch(pool: Pool, statement: str, *values: Any) -> list[Any]:
    """The rows of one statement. Raises what asyncpg raises."""
    async with acquired(pool) as connection:
        rows: list[Any] = await connection.fetch(statement, *values)
        return rows


@asynccontextmanager
async def transaction(pool: Pool, *, durable: bool = True) -> AsyncIterator[Connection]:
    """A transaction with pinned index plans. Without `durable` a crash of the server may lose it, nothing else can."""
    begin = BEGIN if durable else f"{BEGIN}; set local synchronous_commit = off"
    async with acquired(pool) as connection, between(connection, begin):
        yield connection


@asynccontextmanager
async def between(connection: Connection, begin: str) -> AsyncIterator[None]:
    """Begin, and commit; roll back whatever goes wrong."""
    await connection.execute(begin)
    try:
        yield
    except TimeoutError:
        raise  # whoever acquired it throws it away
    except BaseException:
        await _roll_back(connection)
        raise
    await connection.execute("commit")


async def _roll_back(connection: Connection) -> None:
    """What went wrong is told by the error at hand; a connection that cannot even do this is thrown away."""
    if connection.is_closed():
        return
    try:
        await connection.execute("rollback")
    except Exception:
        connection.terminate()
