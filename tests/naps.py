"""Sleeps that last until a test ends them, told apart by how long they were to last."""

from __future__ import annotations

import asyncio


class Naps:
    """A `sleep` for a door. Nothing passes by itself."""

    def __init__(self) -> None:
        self._held: dict[float, list[asyncio.Future[None]]] = {}
        self._begun = asyncio.Condition()

    async def __call__(self, seconds: float) -> None:
        nap: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.setdefault(seconds, []).append(nap)
        try:
            async with self._begun:
                self._begun.notify_all()
            await nap
        finally:
            self._held[seconds].remove(nap)

    async def end(self, seconds: float) -> None:
        """Let the oldest nap of so many seconds be over; waits for one to begin."""
        await self.begun(seconds)
        nap = next(nap for nap in self._held[seconds] if not nap.done())
        nap.set_result(None)

    def napping(self, seconds: float) -> int:
        """How many naps of so many seconds there are at this moment."""
        return sum(not nap.done() for nap in self._held.get(seconds, ()))

    async def begun(self, seconds: float) -> None:
        """Wait until there is a nap of so many seconds."""
        async with self._begun:
            await self._begun.wait_for(lambda: any(not nap.done() for nap in self._held.get(seconds, ())))
