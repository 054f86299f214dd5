"""Where traces are played: real engines, a door, worker processes, and a hand that does to them what a trace says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any

import httpx

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.cases import case_rows
from agent.cases import made
from agent.definition import Agent, load
from agent.settings import Settings
from agent.testing.fake_model import Script, Trace, running
from agent.testing.fake_model.call import Call
from agent.testing.fake_model.trace import ProcessFault
from agent.testing.verdict import Evidence, Told
from api.serve import serve
from tests.contract.real import RealStore, migrated_template
from tests.crash.stage import Stage, until
from tests.engines import fresh_database

UNDER_WAY_S = 0.01
"""A trace sees to it that every worker is busy when one of them is told to wait."""
GRACE_S = 10.0
"""For the end of a run whose time is over, on a busy machine; a hanging call would go on for a minute."""
WORKER_OF = "select worker from attempts where run_id = $1 and outcome is null order by began_at desc limit 1"


@dataclass(slots=True)
class Hand:
    """Does what a trace says. A worker that is killed after an answer stood still before it, and has not read it."""

    theatre: Theatre | None = None
    resting: set[asyncio.Task[None]] = field(default_factory=set)

    async def before(self, fault: ProcessFault, call: Call, /) -> None:
        assert self.theatre is not None
        process = await self.theatre.worker_of(call.run or "")
        if fault.fault in OF_WORKERS:
            await OF_WORKERS[fault.fault](self, process, fault, call.run or "")
        elif fault.when.at == "before_answer":
            await OF_ENGINES[fault.fault](self.theatre.stage)

    async def after(self, fault: ProcessFault, call: Call, /) -> None:
        assert self.theatre is not None
        if fault.when.at == "before_answer":
            return
        if fault.fault == "kill_worker":
            process = await self.theatre.worker_of(call.run or "")
            os.kill(process.pid or 0, SIGKILL)
        elif fault.fault in OF_ENGINES:
            await OF_ENGINES[fault.fault](self.theatre.stage)

    async def rest(self) -> None:
        """Wait until what was to last a while is over."""
        await asyncio.gather(*self.resting)


async def _kill(hand: Hand, process: BaseProcess, fault: ProcessFault, run: str) -> None:
    os.kill(process.pid or 0, SIGKILL if fault.when.at == "before_answer" else SIGSTOP)


async def _freeze(hand: Hand, process: BaseProcess, fault: ProcessFault, run: str) -> None:
    """Until another worker has brought the run to its end, however long that takes."""

    async def thaw() -> None:
        assert hand.theatre is not None
        await asyncio.sleep(fault.seconds)
        await hand.theatre.stage.end(run)
        os.kill(process.pid or 0, SIGCONT)

    os.kill(process.pid or 0, SIGSTOP)
    hand.resting.add(asyncio.create_task(thaw()))


OF_WORKERS: Mapping[str, Callable[[Hand, BaseProcess, ProcessFault, str], Awaitable[None]]] = {
    "kill_worker": _kill,
    "freeze_worker": _freeze,
}
OF_ENGINES: Mapping[str, Callable[[Stage], Awaitable[None]]] = {"flushall": Stage.forget}
"""By the names of the fault machine. What is flushed is all that this stage has in Redis."""


@dataclass(slots=True)
class Theatre:
    """A stage with a door, for one trace after another."""

    stage: Stage
    http: httpx.AsyncClient
    hand: Hand
    agents: Mapping[str, Agent]

    async def play(self, trace: Trace) -> list[Evidence]:
        """Play a trace with as many workers as it wants: the evidence of each of its requests."""
        model = self.stage.model
        await model.clear()
        await model.follow(trace)
        self.hire(trace.header.workers)
        told = await asyncio.gather(*(self._ask(body) for body in trace.header.asks))
        await self.hand.rest()
        runs = [str(replies[0].response["id"]) for replies in told]
        for run in runs:
            await self.told_by_zombies(run)
        log, followed = await model.log(), await model.followed()
        return [await self._evidence(run, it, log, followed) for run, it in zip(runs, told, strict=True)]

    async def worker_of(self, run: str) -> BaseProcess:
        """The worker that is at a run."""
        name = await self.stage.store.pool.fetchval(WORKER_OF, run)
        pid = int(str(name).split(":")[1])
        return next(it for it in self.stage.workers if it.pid == pid)

    def hire(self, count: int) -> None:
        """Have so many workers alive."""
        alive = [it for it in self.stage.workers if it.is_alive()]
        for _ in range(count - len(alive)):
            self.stage.work()

    async def _ask(self, body: Mapping[str, Any]) -> list[Told]:
        """Send a request, and read its response again."""
        first = await self.http.post("/v1/responses", json=body)
        at = datetime.now(UTC)
        again = await self.http.get(f"/v1/responses/{first.json()['id']}")
        return [Told(first.status_code, first.text, at), Told(again.status_code, again.text, datetime.now(UTC))]

    async def told_by_zombies(self, run: str) -> None:
        """Wait for attempts whose workers live: they were frozen, and their bill is to be kept."""

        async def closed() -> bool:
            alive = {it.pid for it in self.stage.workers if it.is_alive()}
            open_ = [it for it in await self.stage.store.attempts(run) if it.outcome is None]
            return not any(int(it.worker.split(":")[1]) in alive for it in open_)

        await until(closed)

    async def _evidence(
        self, run: str, told: Sequence[Told], log: Sequence[Mapping[str, Any]], followed: Mapping[str, Any]
    ) -> Evidence:
        rows = await case_rows(self.stage.store.pool, run)
        assert rows is not None
        case = made(rows)
        agent = self.agents[case.agent.name]
        return Evidence(told, case, log, agent, followed, under_way_s=UNDER_WAY_S, grace_s=GRACE_S)


@asynccontextmanager
async def opened(urls: EngineUrls, home: Path, agents: Sequence[str], **settings: Any) -> AsyncIterator[Theatre]:
    """A theatre with one document in its library and these agents, each `module:attribute`; nobody is hired yet."""
    template, hand = await migrated_template(urls), Hand()
    async with (
        fresh_database(urls, template=template) as url,
        RealStore.connected(url) as store,
        running(Script(), hand=hand) as model,
    ):
        stage = Stage.of(store, (url, urls.redis_url), model, home)
        stage.settings |= {"agent": tuple(agents), "port": 0, **settings}
        await stage.ingest(home)
        try:
            async with _door(stage) as http:
                known = [load(each) for each in agents]
                hand.theatre = Theatre(stage, http, hand, {it.name: it for it in known})
                yield hand.theatre
        finally:
            stage.strike()


@asynccontextmanager
async def _door(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(Settings(**stage.settings), *stage.urls, stop, ready.set_result))
    try:
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        async with httpx.AsyncClient(base_url=await ready, timeout=60, trust_env=False) as http:
            yield http
    finally:
        ready.cancel()
        stop.set()
        await task
