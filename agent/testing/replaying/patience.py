"""Waiting for real where a call that was made for real has failed: the clock that is turned would wait for nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Patience:
    """After a failure, as much time goes by here as on the clock that is turned."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic
    _failed: tuple[datetime, float] | None = None

    def failed(self, at: datetime) -> None:
        """A call has failed at this moment of the clock."""
        self._failed = (at, self.monotonic())

    async def wait(self, now: datetime) -> None:
        """Before the next call: let as much time go by as has on the clock since the last failure."""
        if self._failed is None:
            return
        at, began = self._failed
        self._failed = None
        ahead_s = (now - at).total_seconds() - (self.monotonic() - began)
        if ahead_s > 0:
            await self.sleep(ahead_s)
