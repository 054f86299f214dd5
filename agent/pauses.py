"""What an operator has stopped: the intake of new runs, or the reading of a route."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from agent.errors import Transient

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

INTAKE = "intake"
ROUTE = "route:"
EVERY_S = 1.0
"""How long a pause may go unseen by a process."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One thing that is stopped. `scope` is `intake` or `route:NAME`."""

    scope: str
    reason: str
    by: str
    at: datetime


def of_route(route: str) -> str:
    """The scope that stops a route."""
    return f"{ROUTE}{route}"


class Pauses(Protocol):
    """The pauses in the ledger. Every method raises `Transient` if the store cannot be reached."""

    async def pauses(self) -> Sequence[Pause]:
        """What is stopped now, the oldest first."""

    async def pause(self, scope: str, reason: str, by: str, /) -> bool:
        """Stop `scope`, and put it on the audit; False, and nothing changes, if it is stopped already."""

    async def resume(self, scope: str, by: str, /) -> bool:
        """Let `scope` go on, and put it on the audit; False if it is not stopped."""


class PauseWatch:
    """What is paused, as this process last read it. While the ledger is away, what was read last holds."""

    def __init__(
        self, pauses: Pauses, every_s: float = EVERY_S, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._pauses = pauses
        self._every_s = every_s
        self._sleep = sleep
        self._known: Mapping[str, Pause] = {}

    def paused(self) -> Mapping[str, Pause]:
        """What is stopped, by its scope."""
        return self._known

    def route(self, name: str) -> bool:
        """Whether a route is paused."""
        return of_route(name) in self._known

    async def look(self) -> None:
        """Read the pauses now. Raises `Transient`."""
        found = {pause.scope: pause for pause in await self._pauses.pauses()}
        for scope in sorted(found.keys() ^ self._known.keys()):
            log.warning("paused" if scope in found else "resumed", scope=scope)
        self._known = found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PauseWatch]:
        """Read them at once, then again and again meanwhile. Raises `Transient` if the first look fails."""
        await self.look()
        looking = asyncio.create_task(self._again())
        try:
            yield self
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def _again(self) -> None:
        away = False
        while True:
            await self._sleep(self._every_s)
            try:
                await self.look()
                away = False
            except Transient as error:
                log.log(logging.DEBUG if away else logging.WARNING, "pauses_unread", error=str(error))
                away = True
            except Exception:  # a watch that dies would hold what it knew last for ever
                log.exception("pauses_unread")
