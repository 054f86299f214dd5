"""Who lives: every process writes its row again and again, and counts as gone once it has not for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import structlog

from agent.errors import Transient

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

Kind = Literal["api", "worker", "relay", "jobs"]

EVERY_S = 1.0
ALIVE_S = 3.0
"""A process that was not heard of for so long, by the ledger's clock, is gone."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A process as the ledger knows it."""

    id: str
    kind: Kind
    release: str
    started_at: datetime
    seen_at: datetime


class Presence(Protocol):
    """The processes in the ledger. Every method raises `Transient` if the store cannot be reached."""

    async def here(self, instance: str, kind: Kind, release: str, /) -> None:
        """This process lives now. Those not heard of for a day are forgotten on the way."""

    async def gone(self, instance: str, /) -> None:
        """This process ends."""

    async def alive(self) -> Sequence[Instance]:
        """Those that were heard of within `ALIVE_S`, by kind and age."""


@asynccontextmanager
async def present(
    presence: Presence,
    instance: str,
    kind: Kind,
    release: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Be there meanwhile, from before the block until after it. Raises `Transient` if the first word is not taken."""
    await presence.here(instance, kind, release)
    telling = asyncio.create_task(_tell(presence, instance, kind, release, sleep))
    try:
        yield
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        with suppress(Transient):  # then it is found out a little later
            await presence.gone(instance)


async def _tell(
    presence: Presence, instance: str, kind: Kind, release: str, sleep: Callable[[float], Awaitable[None]]
) -> None:
    heard = True
    while True:
        await sleep(EVERY_S)
        try:
            await presence.here(instance, kind, release)
            heard = True
        except Transient as error:
            if heard:
                log.warning("presence_untold", error=str(error))
            heard = False
