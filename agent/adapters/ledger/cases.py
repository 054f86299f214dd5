"""What a case is made of, out of PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.queries import sql
from agent.cases.making import Rows


async def case_rows(pool: Pool, run: str) -> Rows | None:
    """Everything of a run of any project, at one moment; None if there is no such run. Raises `Transient`."""
    with reached():
        async with (
            pool.acquire(timeout=10) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            head = await connection.fetchrow(sql("case_run"), run)
            if head is None:
                return None
            names = ("story_events", "case_attempts", "case_calls")
            events, attempts, calls = [[dict(row) for row in await connection.fetch(sql(it), run)] for it in names]
            return Rows(dict(head), events, attempts, calls, await _sources(connection, head["prompts"]))


async def _sources(connection: Any, prompts: str) -> Mapping[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for name, version in orjson.loads(prompts).items():
        kept = await connection.fetchval(sql("kept_prompt"), name, version)
        if kept is not None:
            found[name, version] = kept
    return found
