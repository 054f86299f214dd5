"""What was stored of runs is enough to run them again: some are taken from the ledger and replayed as recorded."""

from __future__ import annotations

import random
from typing import Any

import asyncpg

from agent.adapters.ledger.cases import case_rows
from agent.adapters.ledger.connect import connect
from agent.cases import dumped, loads, made
from agent.testing.replaying import replay
from tests.chaos.company import cited, talk
from tests.chaos.stage import Stage

AGENTS = {agent.name: agent for agent in (talk, cited)}
KEPT = """select id, status, generation from runs
    where store and status <> 'in_progress' and purge_asked_at is null and purged_at is null order by id"""
MOST = 1_000
LONG_S = 300.0
"""A run of the machine that is shorter than that is looked at in passing."""
MOST_OF_SHORT = 100


async def replay_some(stage: Stage, seed: int, seconds: float) -> None:
    """Note for each of them whether every event of it came again byte for byte."""
    pool = await connect(stage.ledger.url, most=2)
    try:
        rows = await pool.fetch(KEPT)
        most = min(len(rows), MOST if seconds >= LONG_S else MOST_OF_SHORT)
        for row in random.Random(f"replay {seed}").sample(rows, most):
            stage.notes.note("replays", run=row["id"], status=row["status"], **await _replayed(pool, row["id"]))
    finally:
        await pool.close()


async def _replayed(pool: asyncpg.Pool[Any], run: str) -> dict[str, Any]:
    try:
        rows = await case_rows(pool, run)
        assert rows is not None, "it was there a moment ago"
        case = loads(dumped(made(rows)))
        done = await replay(case, AGENTS[case.agent.name])
    except Exception as error:  # the machine's own trouble, and a finding all the same
        return {"same": False, "why": f"{type(error).__name__}: {error}"}
    if done.as_recorded:
        return {"same": True, "why": ""}
    return {"same": False, "why": str(done.missing or done.difference)[:2_000]}
