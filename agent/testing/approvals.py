"""Approvals in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.approvals import APPROVED, MOST_LISTED, Decided, Decision, Waiting
from agent.envelope import Envelope, index, scrub, seal, unseal
from agent.events import ApprovalRequested
from agent.outcome import Advance
from agent.testing.cancels import taken
from agent.testing.memory import MemoryLedger
from agent.testing.rows import AuditRow, WorkRow

_TYPES = index((ApprovalRequested,))


class MemoryApprovals:
    """See `agent.approvals.Approvals`: the twin, beside a `MemoryLedger`."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def waiting(self, project: str | None, /) -> Sequence[Waiting]:
        await self._ledger.ping()
        found = [self._waiting(work, event, asked) for work, event, asked in self._open(project)]
        return sorted(found, key=lambda it: it.since)[:MOST_LISTED]

    async def decide(self, run: str, project: str | None, decision: Decision, /) -> Decided:
        await self._ledger.ping()
        row = self._ledger.runs.get(run)
        if row is None or row.deleted or project not in (None, row.new.project):
            return Decided.UNKNOWN
        for work, _, asked in self._open(project):
            if work.pointer.run == run:
                begun, decided = taken(work.pointer, row, decision.by), decision.on(asked)
                sealed = seal(decided, agent=begun.agent_id, prompts=begun.prompts, trace=begun.trace)
                note = AuditRow(scrub(decision.by), "approve" if decided.approved else "deny", run)
                if await self._ledger.commit(begun, Advance((sealed,), APPROVED), note):
                    return Decided.DONE
        return Decided.OVER

    def _open(self, project: str | None) -> Iterator[tuple[WorkRow, Envelope, ApprovalRequested]]:
        for run, work in list(self._ledger.work.items()):
            newest, row = self._ledger.events[run][-1], self._ledger.runs[run]
            if row.deleted or min(work.due_at, row.deadline) <= self._ledger.clock.now():
                continue
            if newest.sealed.type == ApprovalRequested.type and project in (None, row.new.project):
                asked = unseal(newest.sealed, _TYPES)
                assert isinstance(asked, ApprovalRequested)  # noqa: S101 - it is the only type that is read here
                yield work, newest, asked

    def _waiting(self, work: WorkRow, event: Envelope, asked: ApprovalRequested) -> Waiting:
        row = self._ledger.runs[work.pointer.run]
        until = min(work.due_at, row.deadline)
        return Waiting(row.new.id, row.new.project, row.new.agent, asked.calls, event.at, until)
