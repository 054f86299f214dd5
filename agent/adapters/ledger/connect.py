"""Connections to PostgreSQL, and the one kind of transaction that this package uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

Pool = asyncpg.Pool
Connection = Any
"""asyncpg's pool hands out proxies that its types do not name."""

BEGIN = """begin;
set local plan_cache_mode = force_generic_plan;
set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off;
set local lock_timeout = '5s'; set local idle_in_transaction_session_timeout = '30s'"""
"""Plans prepared on empty tables would go on scanning when the tables have grown: index plans are pinned, for this
transaction only, so that poolers in transaction mode work. Planning such a statement costs more than running it, so it
is planned once per connection."""


async def connect(url: str, *, most: int = 6) -> Pool:
    """A pool of at most `most` connections. Raises what asyncpg raises."""
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=most,
        command_timeout=30,
        timeout=10,
        server_settings={"application_name": "cuelight", "jit": "off"},
        reset=_nothing_to_reset,
    )


async def _nothing_to_reset(connection: Connection) -> None:
    """Every setting of ours ends with its transaction, so asyncpg's reset would be a round trip for nothing."""


@asynccontextmanager
async def transaction(pool: Pool, *, durable: bool = True) -> AsyncIterator[Connection]:
    """A transaction with pinned index plans. Without `durable` a crash of the server may lose it, nothing else can."""
    async with pool.acquire(timeout=10) as connection:
        await connection.execute(BEGIN if durable else f"{BEGIN}; set local synchronous_commit = off")
        try:
            yield connection
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
