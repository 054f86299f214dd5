"""What a stopping worker may break off: the deciding of a delivery. What came before and follows runs to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agent.outcome import Outcome
from agent.ports import Begun

Decide = Callable[[Begun], Awaitable[Outcome]]


class Closing:
    """Around `decide`: the outcome, or None once the worker is closed and another one shall decide."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._deciding: set[asyncio.Task[Outcome]] = set()
        self._closed = False

    async def __call__(self, begun: Begun) -> Outcome | None:
        if self._closed:
            return None
        deciding = asyncio.ensure_future(self._decide(begun))
        self._deciding.add(deciding)
        try:
            await asyncio.wait([deciding])
            return None if deciding.cancelled() and self._closed else deciding.result()
        finally:
            self._deciding.discard(deciding)
            deciding.cancel()  # nothing, unless the delivery itself was broken off

    def close(self) -> int:
        """Break off what is being decided, and whatever follows; how many there were."""
        self._closed = True
        for deciding in self._deciding:
            deciding.cancel()
        return len(self._deciding)
