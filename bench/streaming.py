"""When a stream's first event, its first text and its last byte come, beside the same request without a stream.

python -m bench.streaming [REQUESTS]
python -m bench.streaming reads [READS]     reads each response right after its terminal event, many times over
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import orjson

from bench.stack import stack

QUESTION = {"input": "When was the cue light built?"}
STREAM = {**QUESTION, "stream": True}
LANES = 8
WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds from the request on."""

    first_event: float
    first_text: float
    whole: float


async def _events(reply: httpx.Response) -> AsyncIterator[bytes]:
    async for line in reply.aiter_lines():
        if line.startswith("event: "):
            yield line.removeprefix("event: ").encode()


async def _streamed(client: httpx.AsyncClient) -> Times:
    began, seen = time.perf_counter(), dict[bytes, float]()
    async with client.stream("POST", "/v1/responses", json=STREAM) as reply:
        async for kind in _events(reply):
            seen.setdefault(kind, (time.perf_counter() - began) * 1000)
    if b"response.completed" not in seen:
        raise SystemExit(f"the answer did not come: {reply.status_code} {list(seen)}")
    whole = (time.perf_counter() - began) * 1000
    return Times(seen[b"response.created"], seen[b"response.output_text.delta"], whole)


async def _plain(client: httpx.AsyncClient) -> float:
    began = time.perf_counter()
    reply = await client.post("/v1/responses", json=QUESTION)
    if reply.status_code != 200 or reply.json()["status"] != "completed":
        raise SystemExit(f"the answer did not come: {reply.status_code} {reply.text[:500]}")
    return (time.perf_counter() - began) * 1000


async def _measure(url: str, requests: int) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for _ in range(WARM_UP):
            await _plain(client)
            await _streamed(client)
        plain, streamed = [], []
        for _ in range(requests):  # in turn, so that both meet the same machine
            plain.append(await _plain(client))
            streamed.append(await _streamed(client))
    print(f"{requests} requests of each kind, one at a time")
    print(f"  stream, first event  {_percentiles(times.first_event for times in streamed)}")
    print(f"  stream, first text   {_percentiles(times.first_text for times in streamed)}")
    print(f"  stream, last byte    {_percentiles(times.whole for times in streamed)}")
    print(f"  no stream            {_percentiles(plain)}")


def _percentiles(times_ms: Iterator[float] | list[float]) -> str:
    found = sorted(times_ms)
    return f"p50 {found[len(found) // 2]:.1f} ms, p99 {found[int(len(found) * 0.99)]:.1f} ms"


async def _read_all(url: str, reads: int) -> None:
    left, began = iter(range(reads)), time.perf_counter()
    await asyncio.gather(*(_lane(url, left) for _ in range(LANES)))
    print(f"{reads} reads right after a terminal event, each the ended response; {time.perf_counter() - began:.0f} s")


async def _lane(url: str, left: Iterator[int]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for _ in left:
            async with client.stream("POST", "/v1/responses", json=STREAM) as reply:
                last = [line async for line in reply.aiter_lines() if line.startswith("data: {")][-1]
            ended = orjson.loads(last.removeprefix("data: "))["response"]
            read = (await client.get(f"/v1/responses/{ended['id']}")).json()
            if read != ended or read["status"] != "completed":
                raise SystemExit(f"{ended['id']} was told as {ended['status']} and read as {read}")


if __name__ == "__main__":
    with stack() as running:
        match sys.argv[1:]:
            case ["reads", *many]:
                asyncio.run(_read_all(running.url, int(many[0]) if many else 10_000))
            case many:
                asyncio.run(_measure(running.url, int(many[0]) if many else 300))
