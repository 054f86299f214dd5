"""`docs/endings.md`, row by row: how a call ends for OpenAI's client as it comes, and how many runs that opened.

The client's settings are its defaults; only the pauses between its retries are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import httpx2
import openai
import pytest
from openai._base_client import BaseClient

from agent.access import Limits, Project
from agent.errors import Transient
from agent.fairness import Queue
from agent.metering import Scope
from agent.pauses import INTAKE, Pause
from agent.ports import NewRun
from agent.testing.clock import START
from agent.testing.memory import MemoryLedger
from agent.testing.metering import MemoryMeter
from api.app import create_app
from tests.e2e.house import House, Open, until
from tests.e2e.test_access import issue
from tests.e2e.test_repeats import Fast, happens
from tests.stage import Stage, accepted

PAGE = Path(__file__).parents[2] / "docs" / "endings.md"
RESPONSES, CHAT = "Responses", "Chat Completions"
FORM: dict[str, Any] = {"type": "json_object"}
SLOW = {"delay_ms": 60_000, "answer": "Too late."}
FAULT = {"fault": "bad_request"}
LITTLE = Decimal("0.000001")
PATIENCE_S = 2.0
"""Longer than a retry looks for its run."""
SOON = {"keep_alive_s": 0.05}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(BaseClient, "_calculate_retry_timeout", lambda *_, **__: 0.0)


def rows(part: str) -> dict[str, str]:
    """The table under a heading of the page: what stands beside each ending."""
    _, _, rest = PAGE.read_text().partition(f"## {part}\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {first: " | ".join(others) for first, *others in cells}


@dataclass
class Caller:
    """OpenAI's client with its default settings, and how often it has sent something."""

    client: openai.AsyncOpenAI
    sent: int = 0


@asynccontextmanager
async def calling(base_url: str, key: str = "none", **wire: Any) -> AsyncIterator[Caller]:
    caller: Caller

    async def count(request: httpx2.Request) -> None:
        caller.sent += 1

    http = openai.DefaultAsyncHttpxClient(event_hooks={"request": [count]}, **wire)
    async with openai.AsyncOpenAI(api_key=key, base_url=f"{base_url}/v1", http_client=http) as client:
        caller = Caller(client)
        yield caller


async def ask(client: openai.AsyncOpenAI, part: str, words: str, asked: dict[str, Any]) -> str:
    """What OpenAI's client brings, in a word or two. Raises what it raises."""
    create: Any = client.chat.completions.create if part == CHAT else client.responses.create
    said = {"messages": [{"role": "user", "content": words}]} if part == CHAT else {"input": words}
    found: Any = await create(**{"model": "chat", **said, **asked})
    if asked.get("stream"):
        last = [event async for event in found][-1]
        return f"`{last.choices[0].finish_reason}`" if part == CHAT else f"`{last.type}`"
    if part == CHAT:
        return f"`{found.choices[0].finish_reason}`"
    return f"`{found.status}`" + (f", `{found.error.code}`" if found.error else "")


async def seen(caller: Caller, asking: Awaitable[str], runs: Callable[[], Awaitable[int]]) -> str:
    """A row of the page: status, body, exception, how often it was sent, how many runs were opened."""
    status, raised = "200", "nothing"
    try:
        body = await asking
    except openai.APIStatusError as error:
        status, body, raised = str(error.status_code), f"`{error.code}`", f"`{type(error).__name__}`"
    except openai.APIConnectionError as error:
        status, body, raised = "none", "none", f"`{type(error).__name__}`"
    except openai.APIError as error:
        body, raised = f"`{error.code}`", f"`{type(error).__name__}`"
    return f"{status} | {body} | {raised} | {caller.sent} | {await runs()}"


# --------------------------------------------------------------------------------------------- runs that were opened


@dataclass(frozen=True)
class Case:
    """An ending that a model's script brings about. `line` is for calls with the case's own words."""

    line: dict[str, Any]
    asked: dict[str, Any]
    door: str = "usual"
    cancel: bool = False
    timeout_s: float | None = None


def case(line: dict[str, Any], door: str = "usual", **asked: Any) -> Case:
    return Case(line, asked, door)


QUOTA = "the endpoint's quota is used up"
ENDINGS: dict[str, dict[str, Case]] = {
    RESPONSES: {
        "the answer was accepted": case({"answer": "Well."}),
        "the token limit cut it off": case({"answer": "Well.", "finish_reason": "length"}),
        "the endpoint refuses": case(FAULT),
        QUOTA: case({"fault": "insufficient_quota"}),
        "the conversation is too long for the model": case({"fault": "context_length"}),
        "no draft was valid": case({"answer": "no JSON"}, text={"format": FORM}),
        "the deadline is over": case(SLOW, model="hasty"),
        "it was cancelled": Case(SLOW, {}, cancel=True),
        "it failed, streamed": case(FAULT, stream=True),
        "it failed after a keep-alive": case({**FAULT, "delay_ms": 300}, "soon"),
        "it is in the background": case({"answer": "Well."}, background=True),
        "the client's patience is over": Case(SLOW, {}, timeout_s=PATIENCE_S),
    },
    CHAT: {
        "the answer was accepted": case({"answer": "Well."}),
        "the token limit cut it off": case({"answer": "Well.", "finish_reason": "length"}),
        "the endpoint refuses": case(FAULT),
        QUOTA: case({"fault": "insufficient_quota"}),
        "the conversation is too long for the model": case({"fault": "context_length"}),
        "no draft was valid": case({"answer": "no JSON"}, response_format=FORM),
        "the deadline is over": case(SLOW, model="hasty"),
        "it was cancelled": Case(SLOW, {"store": True}, cancel=True),
        "it failed, streamed": case(FAULT, stream=True),
        "it failed after a keep-alive": case({**FAULT, "delay_ms": 300}, "soon"),
        "it failed after a keep-alive, streamed": case({**FAULT, "delay_ms": 300}, "soon", stream=True),
        "the client's patience is over": Case(SLOW, {}, timeout_s=PATIENCE_S),
        "the client's patience is over, with `store: true`": Case(SLOW, {"store": True}, timeout_s=PATIENCE_S),
    },
}


def words_of(part: str, name: str) -> str:
    return f"Well, {part}: <{name}>?"


async def test_every_ending_of_a_run_is_told_as_the_page_says(house: Open) -> None:
    script = [
        {**one.line, "contains": words_of(part, name)} for part, cases in ENDINGS.items() for name, one in cases.items()
    ]
    script.append({"answer": "no JSON"})  # what drafts that are wrong are repaired with
    async with house(*script) as it, it.worker(slots=32, drain_s=0.1), it.door() as usual, it.door(**SOON) as soon:
        doors = {"usual": usual, "soon": soon}
        every = [(part, name, one) for part, cases in ENDINGS.items() for name, one in cases.items()]
        told: dict[tuple[str, str], str] = {}
        for late in (False, True):  # nobody calls a model whose quota is used up: that is tried when all else was
            turn = [it for it in every if (it[1] == QUOTA) is late]
            said = await asyncio.gather(*(_drive(it, doors, part, name, one) for part, name, one in turn))
            told |= {(part, name): it for (part, name, _), it in zip(turn, said, strict=True)}
        for part, cases in ENDINGS.items():
            assert {name: told[part, name] for name in cases} == rows(part)
        for run in await it.pool.fetch("select id from runs where status = 'in_progress'"):
            await usual.post(f"/v1/responses/{run['id']}/cancel")


async def _drive(it: House, doors: dict[str, httpx.AsyncClient], part: str, name: str, one: Case) -> str:
    words = words_of(part, name)

    trace = uuid4().hex  # it stays with a run whose texts were forgotten
    asked = {**one.asked, "extra_headers": {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}}

    async def opened() -> list[str]:
        found = await it.pool.fetch("select id from runs where strpos(trace, $1) > 0", trace)
        return [row["id"] for row in found]

    async def runs() -> int:
        return len(await opened())

    async def stopped() -> None:
        (run,) = await until(opened)
        assert (await doors["usual"].post(f"/v1/responses/{run}/cancel")).status_code == 200

    async with calling(str(doors[one.door].base_url)) as caller:
        client = caller.client.with_options(timeout=one.timeout_s) if one.timeout_s else caller.client
        stopping = asyncio.create_task(stopped()) if one.cancel else None
        told = await seen(caller, ask(client, part, words, asked), runs)
        if stopping:
            await stopping
        return told


# --------------------------------------------------------------------------------------- what keeps a run from ending


class Buggy(MemoryLedger):
    async def open(self, new: NewRun, /) -> str:
        raise ZeroDivisionError


class CutOff(MemoryLedger):
    """Writes, and cannot say so the first time; whoever publishes it then, the run ends."""

    stage: Stage

    async def open(self, new: NewRun, /) -> str:
        first, run = not self.runs, await super().open(new)
        if first:
            await self.stage.end(new.pointer, accepted())
            raise Transient("cut off")
        return run


def _usual() -> Stage:
    return Fast(lambda _: accepted())


async def _wrong(stage: Stage) -> dict[str, Any]:
    return {"temperature": 3}


async def _no_model(stage: Stage) -> dict[str, Any]:
    return {"model": "gpt-9"}


async def _too_large(stage: Stage) -> dict[str, Any]:
    return {"user": "x" * 30_000}


async def _locked(stage: Stage) -> dict[str, Any]:
    await issue(stage.access)
    return {}


async def _key_used(stage: Stage) -> dict[str, Any]:
    key = {"Idempotency-Key": "order-17"}
    async with stage.client() as http:
        first = await http.post("/v1/responses", json={"input": "Another?"}, headers=key)
    assert first.status_code == 200
    return {"extra_headers": key}


async def _limited(stage: Stage, **limits: Any) -> dict[str, Any]:
    await stage.access.create_project(Project("acme", limits=Limits(**limits)), "ann")
    key, _ = await issue(stage.access, "acme")
    headers = {"authorization": f"Bearer {key}"}
    async with stage.client() as http:
        assert (await http.post("/v1/responses", json={"input": "First?"}, headers=headers)).status_code == 200
    return {"extra_headers": headers}


async def _too_fast(stage: Stage) -> dict[str, Any]:
    return await _limited(stage, requests_per_min=1)


async def _spent(stage: Stage) -> dict[str, Any]:
    asked = await _limited(stage, usd_per_day=LITTLE)
    used = (await MemoryMeter(stage.ledger).used("acme"))[None]
    scopes = [Scope("acme", None, Limits(usd_per_day=LITTLE))]
    await stage.counters.fill(scopes, {None: type(used)(usd=Decimal(1))})
    return asked


async def _paused(stage: Stage) -> dict[str, Any]:
    stage.door = replace(stage.door, paused=lambda: {INTAKE: Pause(INTAKE, "busy", "ann", START)})
    return {}


async def _behind(stage: Stage) -> dict[str, Any]:
    stage.door = replace(stage.door, waiting=lambda: {Queue("default", "retrieve"): 500.0})
    return {}


async def _away(stage: Stage) -> dict[str, Any]:
    stage.ledger.reachable = False
    return {}


async def _nothing(stage: Stage) -> dict[str, Any]:
    await stage.presence.here("door", "api", "1.0")
    return {}


async def _cut_off(stage: Stage) -> dict[str, Any]:
    assert isinstance(stage.ledger, CutOff)
    stage.ledger.stage = stage
    return await _nothing(stage)


async def _late(stage: Stage) -> dict[str, Any]:
    deadline_s = stage.door.agents["chat"].agent.budget.deadline_s
    stage.door, stage.settle = replace(stage.door, grace_s=-deadline_s, sleep=asyncio.sleep), None
    return {}


async def _closing(stage: Stage) -> dict[str, Any]:
    stage.settle = None
    stage.door.closing.set()
    return await _nothing(stage)


_ON_STAGE: dict[str, tuple[Callable[[], Stage], Callable[[Stage], Awaitable[dict[str, Any]]]]] = {
    "a field is wrong": (_usual, _wrong),
    "there is no such model": (_usual, _no_model),
    "no good API key": (_usual, _locked),
    "the idempotency key stands for another body": (_usual, _key_used),
    "the body is too large": (_usual, _too_large),
    "a limit is reached": (_usual, _too_fast),
    "the day's dollars are spent": (_usual, _spent),
    "the intake is paused": (_usual, _paused),
    "the work is behind": (_usual, _behind),
    "the store cannot be reached": (_usual, _away),
    "the store opened the run and could not say so": (lambda: Fast(ledger=CutOff()), _cut_off),
    "a mistake of ours": (lambda: Stage(ledger=Buggy()), _nothing),
    "the process is stopping": (_usual, _closing),
    "the run has not ended in time": (_usual, _late),
}


@pytest.mark.parametrize("part", [RESPONSES, CHAT])
async def test_whatever_keeps_a_run_from_its_end_is_told_as_the_page_says(part: str) -> None:
    found = {name: await _on_stage(part, *made) for name, made in _ON_STAGE.items()}
    assert found == rows("Either of them")


async def _on_stage(part: str, make: Callable[[], Stage], prepare: Callable[[Stage], Awaitable[dict[str, Any]]]) -> str:
    stage = make()
    asked = await prepare(stage)
    before, app, tasks = len(stage.ledger.runs), create_app(stage.door), asyncio.all_tasks()

    async def runs() -> int:
        return len(stage.ledger.runs) - before

    async with app.router.lifespan_context(app):
        wire = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with calling("http://door.test", transport=wire) as caller:
            told = await seen(caller, ask(caller.client, part, "Well?", asked), runs)
    await happens(lambda: asyncio.all_tasks() <= tasks)  # what was left behind has ended too
    return told.replace("`completed`", "the answer").replace("`stop`", "the answer")
