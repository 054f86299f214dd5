"""The whole story of a run as the ledger holds it: for operators, never for clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.errors import AWAY, away
from agent.adapters.ledger.queries import sql

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunStory:
    """The rows of one run at one moment, each kind oldest first; columns as in the `story_*.sql` statements.

    `work` is where an open run stands, None once it ended. `run["now"]` is the ledger's clock at that moment.
    """

    run: Row
    events: Sequence[Row]
    attempts: Sequence[Row]
    calls: Sequence[Row]
    dead_letters: Sequence[Row]
    work: Row | None

    @property
    def ended(self) -> bool:
        return bool(self.run["status"] != "in_progress")


async def story(pool: Pool, run: str) -> RunStory | None:
    """The story of a run of any project; None if there is no such run. Raises `Transient`."""
    try:
        # One snapshot: an attempt that ends between two statements must not contradict the events.
        async with (
            pool.acquire(timeout=10) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            head = await connection.fetchrow(sql("story_run"), run)
            return None if head is None else await _rest(connection, dict(head))
    except AWAY as error:
        raise away(error) from error


async def _rest(connection: Any, head: Row) -> RunStory:
    run = head["id"]
    rows = {
        name: [dict(row) for row in await connection.fetch(sql(f"story_{name}"), run)]
        for name in ("events", "attempts", "calls", "dead_letters", "work")
    }
    work = rows.pop("work")
    return RunStory(head, **rows, work=work[0] if work else None)
