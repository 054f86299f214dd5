"""The pauses of the in-memory ledger."""

from __future__ import annotations

from collections.abc import Sequence

from agent.envelope import scrub
from agent.pauses import Pause
from agent.testing.memory import MemoryLedger
from agent.testing.rows import AuditRow


class MemoryPauses:
    """See `agent.pauses.Pauses`: the twin, beside a `MemoryLedger` whose clock and audit it uses."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._held: dict[str, Pause] = {}

    async def pauses(self) -> Sequence[Pause]:
        await self._turn()
        return sorted(self._held.values(), key=lambda pause: (pause.at, pause.scope))

    async def pause(self, scope: str, reason: str, by: str, /) -> bool:
        await self._turn()
        if scope in self._held:
            return False
        self._held[scope] = Pause(scope, scrub(reason), scrub(by), self._ledger.clock.now())
        self._ledger.audit.append(AuditRow(scrub(by), "pause", scope))
        return True

    async def resume(self, scope: str, by: str, /) -> bool:
        await self._turn()
        if self._held.pop(scope, None) is None:
            return False
        self._ledger.audit.append(AuditRow(scrub(by), "resume", scope))
        return True

    async def _turn(self) -> None:
        await self._ledger.ping()
