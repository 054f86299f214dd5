"""What crash tests stand on: real engines, a model that keeps count, workers that can be killed, the ledger's rows."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from redis.asyncio import Redis

from agent.adapters.retrieval.ingest import ingest
from agent.adapters.retrieval.library import Library
from agent.envelope import seal
from agent.events import RequestReceived
from agent.ports import DEFAULT_PROJECT, NewRun, RunView
from agent.request import Message, Request
from agent.settings import Settings
from agent.testing import AttemptRow, CallRow
from agent.testing.fake_model import FakeModel, Line, Script, Trace
from agent.testing.fake_model.client import NOBODY
from agent.testing.fake_model.trace import Header, TraceLine
from agent.wiring import cast
from tests.contract.real import RealStore
from tests.crash import crashing_worker
from tests.crash.crashing_worker import Death

FACT = "The warranty lasts two years from the day of purchase."
ANSWER = {
    "answer": "The warranty lasts two years.",
    "citations": [{"passage_id": "p1", "quote": "The warranty lasts two years"}],
    "no_answer": False,
}
SCRIPT = Script((Line(answer=ANSWER),))
PATIENCE_S = 60.0
"""Until a test gives up hope; on a busy machine everything takes longer."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again. Raises `TimeoutError` when hope is gone."""
    deadline = time.monotonic() + PATIENCE_S
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what the test waits for did not come")
        await asyncio.sleep(0.02)


@dataclass(slots=True)
class Stage:
    """One test's database, Redis prefix, model and workers."""

    store: RealStore
    urls: tuple[str, str]
    model: FakeModel
    settings: dict[str, Any]
    workers: list[BaseProcess] = field(default_factory=list)

    @classmethod
    def of(cls, store: RealStore, urls: tuple[str, str], model: FakeModel, home: Path) -> Stage:
        """With short leases, so that the dead are missed soon, and with prices."""
        settings = {
            "data_dir": home,
            "redis_prefix": f"t{uuid4().hex[:12]}",
            "agent": ("agent.agents:documents",),
            "model_base_url": model.base_url,
            "models": ("fake-model",),
            "model_structured": "json_schema",
            "model_input_usd_per_mtok": Decimal(1),
            "model_output_usd_per_mtok": Decimal(2),
            "lease_s": 0.3,
            "sweep_s": 0.1,
            "look_s": 0.3,
        }
        return cls(store, urls, model, settings)

    async def ingest(self, folder: Path) -> None:
        """The one document that there is an answer in."""
        path = folder / "warranty.md"
        path.write_text(FACT, encoding="utf-8")
        await ingest(Library(self.store.pool), [path])

    async def ask(self, question: str = "How long is the warranty?") -> str:
        """Open a run; the workers' relay publishes it. Its id."""
        agent = next(iter(cast(Settings(**self.settings)).agents.values()))
        new = NewRun(
            id=f"resp_{uuid4().hex}",
            project=DEFAULT_PROJECT,
            agent=agent.name,
            agent_version=agent.version,
            prompts=agent.prompts,
            request=Request(messages=(Message(role="user", content=question),)).model_dump_json(),
            store=True,
            first=seal(RequestReceived(agent=agent.name), agent=agent.id),
            route=agent.first_route,
            deadline_s=agent.agent.budget.deadline_s,
        )
        await self.store.ledger.open(new)
        return new.id

    def work(self, routes: Sequence[str] = (), death: Death | None = None) -> BaseProcess:
        """A worker; it is killed when the test is over, if not before."""
        self.workers.append(crashing_worker.start(self.settings, self.urls, routes, death))
        return self.workers[-1]

    async def retire(self, worker: BaseProcess) -> None:
        """Have it stop in good order, and wait until it has."""
        worker.terminate()
        await asyncio.to_thread(worker.join, PATIENCE_S)
        assert worker.exitcode == 0, f"the worker should have stopped by itself, and has exit code {worker.exitcode}"

    async def asked(self, run: str, times: int = 1) -> None:
        """Wait until the model was asked so often for a run; it may not have answered yet."""

        async def heard() -> bool:
            return len(await self.model.log(run)) >= times

        await until(heard)

    async def holds(self, *after_calls: int) -> None:
        """Have the model answer the nth question of a run no sooner than so many calls have come in."""
        lines = [
            TraceLine(prompt="answer", attempt=nth, after_calls=count, answer=ANSWER)
            for nth, count in enumerate(after_calls, start=1)
        ]
        await self.model.follow(Trace.of(Header(), lines))

    async def one_more_call(self) -> None:
        """Call the model as nobody's worker: somebody's answer may be waiting for that."""
        async with httpx.AsyncClient(trust_env=False, verify=NOBODY) as http:
            await http.post(f"{self.model.base_url}/chat/completions", json={"model": "any", "messages": []})

    async def die(self, worker: BaseProcess) -> None:
        """Wait until it has killed itself."""
        await asyncio.to_thread(worker.join, PATIENCE_S)
        assert worker.exitcode == -9, f"the worker should have died by SIGKILL, and has exit code {worker.exitcode}"

    async def end(self, *runs: str) -> None:
        """Wait until these runs have ended."""

        async def ended() -> bool:
            return len(await self.store.ledger.ended(runs)) == len(runs)

        await until(ended)

    async def reach(self, seq: int, *runs: str) -> None:
        """Wait until the newest event of each of these runs is its `seq`th."""

        async def there() -> bool:
            return {len((await self.story(run)).events) for run in runs} == {seq}

        await until(there)

    async def settled(self, run: str) -> None:
        """Wait until every attempt of a run has come to an outcome."""

        async def closed() -> bool:
            return all(attempt.outcome for attempt in (await self.story(run)).attempts)

        await until(closed)

    async def story(self, run: str) -> Story:
        """What the ledger's tables and the model's log say about a run."""
        view = await self.store.ledger.view(run, DEFAULT_PROJECT)
        assert view is not None
        events = await self.store.events(run)
        return Story(
            view=view,
            events=[(envelope.key.seq, envelope.sealed.type) for envelope in events],
            attempts=await self.store.attempts(run),
            calls=[call for call in await self.store.calls(run) if call.effect_type == "call_model"],
            paid=await self.model.log(run),
            open=await self.store.work(run) is not None,
        )

    async def forget(self) -> None:
        """Have Redis lose all that this test has in it."""
        async with Redis.from_url(self.urls[1]) as redis:
            if keys := [key async for key in redis.scan_iter(f"{self.settings['redis_prefix']}:*")]:
                await redis.delete(*keys)

    def strike(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.join()


@dataclass(frozen=True, slots=True)
class Story:
    view: RunView
    events: Sequence[tuple[int, str]]
    attempts: Sequence[AttemptRow]
    calls: Sequence[CallRow]
    paid: Sequence[dict[str, Any]]
    """The calls that the model was asked to answer, by its own log."""
    open: bool

    @property
    def tries(self) -> Counter[str]:
        """How many attempts each route has."""
        return Counter(attempt.route for attempt in self.attempts)

    @property
    def unknown(self) -> Sequence[CallRow]:
        return [call for call in self.calls if call.status == "unknown"]
