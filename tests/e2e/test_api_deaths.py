"""API processes that die under their callers, with real processes, engines and the real OpenAI client."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.house import QUESTION, RIGHT, House, Open, until

REQUESTS = 200
AT_ONCE = 24
ECHO = {"answer": "You said: {{question}}", "delay_ms": 40}


@dataclass
class Api:
    """A `cuelight api` process."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def api(it: House) -> AsyncIterator[Api]:
    """An API process, for as long as the block lasts or until it is killed."""
    env = {
        "CUELIGHT_DATABASE_URL": it.urls.database_url,
        "CUELIGHT_REDIS_URL": it.urls.redis_url,
        "CUELIGHT_REDIS_PREFIX": it.settings.redis_prefix,
        "CUELIGHT_MODEL_BASE_URL": it.settings.model_base_url or "",
        "CUELIGHT_MODELS": ",".join(it.settings.models),
        "CUELIGHT_LOG_LEVEL": "error",
    }
    command = (sys.executable, "-m", "cli.main", "api", "--port", "0")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=env)
    try:
        assert process.stdout is not None
        ready = (await process.stdout.readline()).decode()
        yield Api(process, int(ready.rpartition(":")[2]))
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@dataclass
class Forwarder:
    """A load balancer of a few lines: each connection goes to the next API that takes it, once one does."""

    apis: list[Api] = field(default_factory=list)
    port: int = 0
    _turn: int = 0
    _links: set[asyncio.Task[Any]] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for link in self._links:
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        try:
            far_reader, far_writer = await until(self._connected)
            try:
                pumps = (_pump(reader, far_writer), _pump(far_reader, writer))
                await asyncio.wait([asyncio.ensure_future(one) for one in pumps], return_when=asyncio.FIRST_COMPLETED)
            finally:
                far_writer.close()
        finally:
            writer.close()
            self._links.discard(task)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        target = self.apis[self._turn % len(self.apis)]
        with suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", target.port)
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client shall be the default one, and not be led astray by this machine's own proxy."""
    monkeypatch.setenv("NO_PROXY", "*")


async def ask_all(base_url: str, words: Sequence[str]) -> list[tuple[str, str]]:
    """Ask everything with the default client, many at once; id and answer for each, in order."""
    client = openai.OpenAI(base_url=f"{base_url}/v1", api_key="none")

    def ask(word: str) -> tuple[str, str]:
        answer = client.responses.create(model="chat", input=word)
        return answer.id, answer.output_text

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        try:
            return list(await asyncio.gather(*(loop.run_in_executor(threads, ask, word) for word in words)))
        finally:
            client.close()


async def held_by(it: House, victim: Api, at_least: int) -> list[str] | None:
    """The open runs that this process waits for, once so many runs were opened at all and it has some."""
    rows = await it.pool.fetch("select id, holder, ended_at from runs")
    if len(rows) < at_least:
        return None
    mine = f":{victim.process.pid}:"
    return [row["id"] for row in rows if row["ended_at"] is None and mine in (row["holder"] or "")] or None


async def test_every_call_of_the_default_client_is_answered_once_although_apis_are_killed(house: Open) -> None:
    words = [f"This is request number {number}." for number in range(REQUESTS)]
    balancer = Forwarder()
    async with house(ECHO) as it, it.worker(), api(it) as first, api(it) as second, balancer.listening() as url:
        balancer.apis = [first, second]
        asking = asyncio.create_task(ask_all(url, words))
        await until(lambda: held_by(it, first, REQUESTS // 3))
        await first.kill()
        orphans = [row["id"] for row in await it.pool.fetch(ORPHANS, f"%:{first.process.pid}:%")]
        answers = await asking
        runs = await it.pool.fetch("select id, status, request from runs")
        calls = await it.pool.fetchval("select count(*) from calls where effect_type = 'call_model'")
    assert [text for _, text in answers] == [f"You said: {word}" for word in words]
    assert len(runs) == REQUESTS
    assert {row["id"] for row in runs} == {run for run, _ in answers}
    assert {row["status"] for row in runs} == {"completed"}
    assert calls == REQUESTS, "nothing was paid twice"
    assert set(orphans) <= {run for run, _ in answers}
    assert orphans, "somebody was waiting when the process died"


ORPHANS = "select id from runs where holder like $1 and delivered_at is null"


async def test_a_key_finds_its_run_on_another_process_after_a_crash(house: Open) -> None:
    key = {"Idempotency-Key": "once"}
    async with house({"answer": RIGHT}) as it, api(it) as first, api(it) as second, httpx.AsyncClient() as http:
        lost = asyncio.create_task(http.post(f"{first.url}/v1/responses", json=QUESTION, headers=key, timeout=60))
        await until(it.published)
        await first.kill()
        with pytest.raises(httpx.HTTPError):
            await lost
        again = asyncio.create_task(http.post(f"{second.url}/v1/responses", json=QUESTION, headers=key, timeout=60))
        async with it.worker():
            reply = await again
        later = await http.post(f"{second.url}/v1/responses", json=QUESTION, headers=key, timeout=60)
        runs = [row["id"] for row in await it.pool.fetch("select id from runs")]
    assert runs == [reply.json()["id"]]
    assert reply.json()["status"] == "completed"
    assert later.content == reply.content


async def test_a_processes_row_is_there_while_it_lives_and_says_what_it_is(house: Open) -> None:
    async with house() as it:
        async with it.door(), it.worker():
            rows = await until(lambda: both(it))
        left = await it.pool.fetchval("select count(*) from instances")
    assert [row["kind"] for row in rows] == ["api", "worker"]
    assert all(row["release"] for row in rows)
    assert left == 0


async def both(it: House) -> list[Any] | None:
    rows = await it.pool.fetch("select kind, release from instances order by kind")
    return rows if len(rows) == 2 else None


async def test_white_space_reaches_a_client_before_its_answer_does(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door(keep_alive_s=0.05) as door, httpx.AsyncClient() as http:
        address = f"{door.base_url}/v1/responses"
        async with http.stream("POST", address, json=QUESTION, timeout=60) as reply:
            parts = reply.aiter_raw()
            assert await anext(parts) == b" "
            async with it.worker():
                rest = b"".join([part async for part in parts])
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert b'"status":"completed"' in rest


async def test_a_client_that_hangs_up_during_the_white_space_lets_go_of_its_run(house: Open) -> None:
    async with house() as it, it.door(keep_alive_s=0.05) as door, httpx.AsyncClient() as http:
        async with http.stream("POST", f"{door.base_url}/v1/responses", json=QUESTION, timeout=60) as reply:
            await anext(reply.aiter_raw())
            assert await it.pool.fetchval("select holder from runs")
        await until(lambda: it.pool.fetchval("select true from runs where holder is null and delivered_at is null"))


async def test_a_request_that_a_stuck_ledger_keeps_waiting_is_refused_and_its_retry_is_answered_once(
    house: Open,
) -> None:
    again = {"x-stainless-retry-count": "1"}
    async with house({"answer": RIGHT}) as it, it.door(ledger_timeout_s=0.3) as http:
        async with it.pool.acquire() as other, other.transaction():
            await other.execute("lock table runs in access exclusive mode")
            refused = await http.post("/v1/responses", json=QUESTION)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        async with it.worker():
            reply = await until(lambda: answered(http, again))
        assert reply.json()["status"] == "completed"
        assert await it.pool.fetchval("select count(*) from runs") == 1


async def answered(http: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response | None:
    reply = await http.post("/v1/responses", json=QUESTION, headers=headers)
    return reply if reply.status_code == 200 else None
