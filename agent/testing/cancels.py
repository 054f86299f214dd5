"""Cancelling in memory, and what a relay does to runs whose time is over."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from agent.cancels import Cancelled
from agent.envelope import seal
from agent.events import CancelledBy, Ending, RunCancelled
from agent.outcome import Advance, failure_of
from agent.ports import Begun, Delivery, Pointer
from agent.testing.memory import MemoryLedger
from agent.testing.rows import RunRow


class MemoryCancels:
    """See `agent.cancels.Cancels`: the twin, beside a `MemoryLedger`."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def cancel(self, run: str, project: str | None, by: CancelledBy, /) -> Cancelled:
        while True:
            await self._ledger.ping()
            row = self._ledger.runs.get(run)
            if row is None or project not in (None, row.new.project):
                return Cancelled.UNKNOWN
            if run not in self._ledger.work:
                return Cancelled.OVER
            if await self._end(taken(self._ledger.work[run].pointer, row, by), RunCancelled(by=by)):
                return Cancelled.DONE

    async def end_overdue(self) -> Sequence[Begun]:
        """As `Sweeps.end_overdue`."""
        await self._ledger.ping()
        now, runs = self._ledger.clock.now(), self._ledger.runs
        late = [work.pointer for run, work in self._ledger.work.items() if runs[run].deadline < now]
        overdue = [taken(at, runs[at.run], "relay") for at in late]
        return [begun for begun in overdue if await self._end(begun, failure_of("deadline_exceeded"))]

    async def _end(self, begun: Begun, ending: Ending) -> bool:
        sealed = seal(ending, agent=begun.agent_id, prompts=begun.prompts, trace=begun.trace)
        return await self._ledger.commit(begun, Advance((sealed,), None, ending.status))


def taken(at: Pointer, row: RunRow, by: str) -> Begun:
    return Begun(
        delivery=Delivery(at, worker=by),
        token="",
        deliveries=0,
        agent=row.new.agent,
        agent_version=row.new.agent_version,
        prompts=row.new.prompts,
        request="",
        deadline=row.deadline,
        remaining_s=0.0,
        spent_usd=Decimal(0),
        trace=row.new.trace,
        events=(),
        answers={},
    )
