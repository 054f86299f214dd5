"""A real worker process that may kill itself at a named point: `SIGKILL`, no last words, nothing flushed.

The doors of the worker are wrapped here, in the test: no code of the service knows of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from typing import Any

import structlog

from agent.settings import Settings
from agent.wiring import archive_prompts, cast, connected, model_book, searcher
from tests.forks import PROCESSES
from workers.perform import Perform
from workers.serve import build
from workers.tools import Tools


@dataclass(slots=True)
class Death:
    """Dies before or after the `nth` time that `method` is called while the worker handles `route`."""

    route: str
    method: str
    when: str
    nth: int = 1
    seen: int = field(default=0, compare=False)

    def due(self, method: str) -> bool:
        """Whether this call is the one. The route is known from what every log line of a delivery says."""
        here = structlog.contextvars.get_contextvars().get("route")
        if method == self.method and here == self.route:
            self.seen += 1
            return self.seen == self.nth
        return False


class Mortal:
    """A door that is passed through as it is, but for the one call that is deadly."""

    def __init__(self, inner: Any, death: Death) -> None:
        self._inner = inner
        self._death = death

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._deadly(name, found) if name == self._death.method else found

    def _deadly(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*values: Any, **options: Any) -> Any:
            deadly = self._death.due(name)
            if deadly and self._death.when == "before":
                die()
            answer = await method(*values, **options)
            if deadly:
                die()
            return answer

        return called


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def start(
    settings: Mapping[str, Any], urls: tuple[str, str], routes: Sequence[str] = (), death: Death | None = None
) -> BaseProcess:
    """A worker in a process of its own, on these routes (all of them when empty); SIGTERM has it stop in good order."""
    process = PROCESSES.Process(target=_main, args=(dict(settings), urls, tuple(routes), death), daemon=True)
    process.start()
    return process


def _main(settings: Mapping[str, Any], urls: tuple[str, str], routes: Sequence[str], death: Death | None) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(_work(Settings(**settings), urls, routes, death or Death("", "", "")))


async def _work(settings: Settings, urls: tuple[str, str], routes: Sequence[str], death: Death) -> None:
    company, stop = cast(settings), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with connected(settings, *urls) as engines:
        await archive_prompts(company.book, company.agents, engines.ledger)
        ledger: Any = Mortal(engines.ledger, death)
        streams: Any = Mortal(engines.streams, death)
        models: Any = Mortal(model_book(settings), death)
        search: Any = Mortal(searcher(settings, engines.library), death)
        doors = replace(engines, ledger=ledger, streams=streams)
        worker = build(
            settings,
            company,
            doors,
            Perform(models, search.search, tools=Tools(company.agents)),
            routes or company.routes,
        )
        await worker.run(stop)
