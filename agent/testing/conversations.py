"""Earlier runs in memory."""

from __future__ import annotations

from agent.events import ConversationRecalled
from agent.recalling import Earlier
from agent.testing.memory import MemoryLedger


class MemoryConversations:
    """As `agent.recalling.Conversations`, over the runs of a `MemoryLedger`."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    async def earlier(self, run: str, project: str, /) -> Earlier | None:
        """As `Conversations.earlier`."""
        view = await self._ledger.view(run, project)
        if view is None:
            return None
        kept = [each for each in self._ledger.events[run] if each.sealed.type == ConversationRecalled.type]
        newest = max(kept, key=lambda each: (each.key.generation, each.key.seq), default=None)
        recalled = newest.sealed if newest else None
        return Earlier(view.status, view.store, view.deleted, view.request, view.ending, recalled)
