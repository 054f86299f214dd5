"""Turns for work that may kill its worker: how many of it may be under way at once."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """One at a time, in the order of asking; each turn that ended well makes room for one more at once.

    A turn taken `alone` begins when no other one is under way, and no other one begins until it is over.
    """

    def __init__(self) -> None:
        self._room = 1
        self._under_way = 0
        self._alone = False
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    async def take(self, *, alone: bool) -> None:
        """Wait for a turn; `over` ends it. Whoever is cancelled meanwhile has had none."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, alone))
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.over(well=False)
            raise

    def over(self, *, well: bool) -> None:
        """End a turn; `well` if it did what it was taken for."""
        self._room += well
        self._under_way -= 1
        self._alone = False
        self._next()

    def _next(self) -> None:
        while self._waiting:
            turn, alone = self._waiting[0]
            if not turn.done():
                if self._under_way >= (1 if alone or self._alone else self._room):
                    return
                self._alone = alone
                self._under_way += 1
                turn.set_result(None)
            self._waiting.popleft()
