"""Approvals in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import Note
from agent.adapters.ledger.standing import taken
from agent.approvals import APPROVED, MOST_LISTED, Decided, Decision, Waiting
from agent.envelope import Sealed, index, seal, unseal
from agent.events import ApprovalDecided, ApprovalRequested
from agent.outcome import Advance

_TYPES = index((ApprovalRequested,))


class PostgresApprovals:
    """See `agent.approvals.Approvals`."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self._ledger = ledger

    async def waiting(self, project: str | None, /) -> Sequence[Waiting]:
        return [_waiting(row) for row in await self._rows(project, None)]

    async def decide(self, run: str, project: str | None, decision: Decision, /) -> Decided:
        while rows := await self._rows(project, run):  # again only if somebody else moved the run meanwhile
            begun, decided = taken(rows[0], decision.by), decision.on(_asked(rows[0]))
            sealed = seal(decided, agent=begun.agent_id, prompts=begun.prompts, trace=begun.trace)
            if await self._ledger.commit(begun, Advance((sealed,), APPROVED), _note(decided)):
                return Decided.DONE
        with reached():
            row = await self._ledger.pool.fetchrow(sql("standing"), run, project)
        return Decided.UNKNOWN if row is None or row["deleted"] else Decided.OVER

    async def _rows(self, project: str | None, run: str | None) -> Sequence[Any]:
        with reached():
            rows: Sequence[Any] = await self._ledger.pool.fetch(sql("approvals"), project, run, MOST_LISTED)
        return rows


def _note(decided: ApprovalDecided) -> Note:
    # Why, the event says: unlike this line, it can be purged.
    detail = f"{len(decided.approved)} approved, {len(decided.denied)} denied"
    return Note(decided.by, "approve" if decided.approved else "deny", detail)


def _asked(row: Any) -> ApprovalRequested:
    event = unseal(Sealed(row["type"], row["version"], row["data"]), _TYPES)
    assert isinstance(event, ApprovalRequested)  # noqa: S101 - it is the only type that is read here
    return event


def _waiting(row: Any) -> Waiting:
    asked = _asked(row)
    return Waiting(row["run_id"], row["project_id"], row["agent"], asked.calls, row["at"], row["due_at"])
