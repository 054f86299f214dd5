"""Which connections of this process wait for which runs, told to the ledger when they leave.

A retry may take over a run once nobody waits for it; so this is told whatever happens, and again until it is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

import structlog

from agent.callers import Callers
from agent.errors import Transient
from api.patience import Sleep, settle, within

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

GATHER_S = 0.2
"""What is to be told within that time is told together."""
TIMEOUT_S = 10.0
DOUBTFUL_TIMES = 10
"""So often a run is looked for whose opening may still come through: for longer than a statement waits for a lock."""


class Holding:
    """Names the connections, and tells the ledger of those that left and those that got their answer."""

    def __init__(self, callers: Callers, instance: str, sleep: Sleep = asyncio.sleep) -> None:
        self._callers = callers
        self._instance = instance
        self._sleep = sleep
        self._numbers = count(1)
        self._left: dict[str, str] = {}
        self._delivered: dict[str, str] = {}
        self._tries: dict[str, int] = {}
        self._marks: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self.hear: Callable[[str], None] = _nothing
        """Told of each run whose ending was sent whole."""

    def connection(self) -> str:
        """A name for a connection, as holder of a run; the process comes first."""
        return f"{self._instance}/{next(self._numbers)}"

    def release(self, run: str, holder: str) -> None:
        """Whoever held the run does not wait any more, and has not got its ending."""
        self._left[run] = holder
        self._tries[run] = DOUBTFUL_TIMES
        self._news.set()

    def doubt(self, run: str, holder: str, mark: bytes | None) -> None:
        """As `release`, for a run that may be there or may come yet; `mark` is its fingerprint."""
        self.release(run, holder)
        if mark is not None:
            self._marks[run] = mark

    def expects(self, mark: bytes | None) -> bool:
        """Whether a run with this fingerprint may come yet."""
        return mark in self._marks.values()

    def delivered(self, run: str, holder: str) -> None:
        """The run's ending was sent whole."""
        self.handed_over(run, holder)
        self.hear(run)

    def handed_over(self, run: str, holder: str) -> None:
        """Whoever asked for the run knows it by its id: no retry may take it over. It may go on for long."""
        self._delivered[run] = holder
        self._news.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell the ledger meanwhile, and the last of it on the way out."""
        telling = asyncio.create_task(self._keep_telling())
        try:
            yield
        finally:
            await settle([telling])
            with suppress(Transient):  # the ledger finds out when this process is not there any more
                await self.tell()

    async def _keep_telling(self) -> None:
        while True:
            await self._news.wait()
            await self._sleep(GATHER_S)
            self._news.clear()
            try:
                await self.tell()
            except Exception as error:  # this loop must outlive whatever the store does
                log.warning("holders_untold", error=str(error), exc_info=not isinstance(error, Transient))
            if self._left or self._delivered:
                await self._sleep(1.0)
                self._news.set()

    async def tell(self) -> None:
        """Tell the ledger what there is to tell. Raises `Transient`; then nothing of it is forgotten."""
        if delivered := dict(self._delivered):
            await within(TIMEOUT_S, self._callers.delivered(delivered), self._sleep)
            _drop(self._delivered, delivered)
        if left := dict(self._left):
            there = await within(TIMEOUT_S, self._callers.release(left), self._sleep)
            _drop(self._left, {run: holder for run, holder in left.items() if run in there or self._tired(run)})
        self._tries = {run: tries for run, tries in self._tries.items() if run in self._left}
        self._marks = {run: mark for run, mark in self._marks.items() if run in self._left}

    def _tired(self, run: str) -> bool:
        self._tries[run] -= 1
        return self._tries[run] <= 0


def _nothing(run: str) -> None: ...


def _drop(waiting: dict[str, str], told: dict[str, str]) -> None:
    for run, holder in told.items():
        if waiting.get(run) == holder:
            del waiting[run]
