"""What a project waits for while another one has a long queue: one request at a time, without and with that queue.

python -m bench.fairness [BACKLOG [REQUESTS]]
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass

import httpx

from agent import Agent, Budget
from bench.latency import percentiles
from bench.stack import Stack, stack

MODEL_MS = 50
OPENERS = 16
QUESTION = {"model": "patient", "input": "When was the cue light built?"}
SETTINGS = {"CUELIGHT_AGENT": "bench.fairness:patient", "CUELIGHT_MAX_BACKLOG_S": "3600"}

patient = Agent(name="patient", prompt="chat", budget=Budget(deadline_s=3_600))


def _cuelight(service: Stack, *words: str) -> str:
    command = [sys.executable, "-m", "cli.main", *words, "--json", "--data-dir", str(service.data_dir)]
    return subprocess.run(command, env=service.environment, check=True, capture_output=True, text=True).stdout


def _key(service: Stack, project: str) -> str:
    """A key of a new project."""
    _cuelight(service, "projects", "create", project)
    return str(json.loads(_cuelight(service, "keys", "create", "--project", project))["key"])


@dataclass(frozen=True)
class Client:
    http: httpx.AsyncClient

    async def ask(self) -> float:
        """Milliseconds from the question to the answer."""
        began = time.perf_counter()
        body = _body(await self.http.post("/v1/responses", json=QUESTION))
        if body["status"] != "completed":
            raise SystemExit(f"the answer did not come: {body}")
        return (time.perf_counter() - began) * 1000

    async def opened(self, count: int) -> list[str]:
        """The ids of so many runs in the background."""
        ids, left = list[str](), iter(range(count))

        async def lane() -> None:
            for _ in left:
                ids.append(_body(await self.http.post("/v1/responses", json=QUESTION | {"background": True}))["id"])

        await asyncio.gather(*(lane() for _ in range(OPENERS)))
        return ids

    async def answered(self, id: str) -> bool:
        status = _body(await self.http.get(f"/v1/responses/{id}"))["status"]
        if status not in ("queued", "in_progress", "completed"):
            raise SystemExit(f"{id} is {status}")
        return status == "completed"


def _body(reply: httpx.Response) -> dict[str, str]:
    if reply.status_code != 200:
        raise SystemExit(f"{reply.status_code} {reply.text[:500]}")
    found: dict[str, str] = reply.json()
    return found


def _client(service: Stack, key: str) -> Client:
    headers = {"authorization": f"Bearer {key}"}
    return Client(httpx.AsyncClient(base_url=service.url, timeout=150, headers=headers))


async def _measure(one: Client, other: Client, backlog: int, requests: int) -> None:
    for _ in range(20):
        await other.ask()
    alone = [await other.ask() for _ in range(requests)]
    print(f"nobody else asks, {requests} requests: {percentiles(sorted(alone))}", flush=True)
    began = time.perf_counter()
    opening = asyncio.create_task(one.opened(backlog))
    beside = list[float]()
    while not opening.done():
        beside.append(await other.ask())
    print(f"{backlog} runs are being opened by another project: {percentiles(sorted(beside))}", flush=True)
    ids, opened_s = await opening, time.perf_counter() - began
    behind = list[float]()
    while not await one.answered(ids[-1]):
        behind.append(await other.ask())
    took_s = time.perf_counter() - began
    print(f"they are worked on, {len(behind)} requests: {percentiles(sorted(behind))}", flush=True)
    for id in ids[-200:]:
        while not await one.answered(id):
            await other.ask()
    done = sum([await one.answered(id) for id in ids])
    print(
        f"the other project: opened in {opened_s:.1f} s, the last was answered after {took_s:.1f} s: {done} completed"
    )


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    long, many = (numbers + [10_000, 200][len(numbers) :])[:2]
    with stack(lines=[{"delay_ms": MODEL_MS}], settings=SETTINGS) as running:
        first, second = _client(running, _key(running, "busy")), _client(running, _key(running, "quiet"))
        asyncio.run(_measure(first, second, long, many))
