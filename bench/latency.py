"""Latency of one request at a time, and requests per second at 64 in flight, at the HTTP client, fake model at once.

python -m bench.latency [REQUESTS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

import httpx

from bench.stack import stack

QUESTION = {"input": "When was the cue light built?"}


async def _one(client: httpx.AsyncClient) -> float:
    began = time.perf_counter()
    reply = await client.post("/v1/responses", json=QUESTION)
    took = time.perf_counter() - began
    if reply.status_code != 200 or reply.json()["status"] != "completed":
        raise SystemExit(f"the answer did not come: {reply.status_code} {reply.text[:500]}")
    return took * 1000


async def _measure(url: str, requests: int) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for _ in range(50):
            await _one(client)
        alone = sorted([await _one(client) for _ in range(requests)])
    print(f"one at a time, {requests} requests: {percentiles(alone)}")
    left = iter(range(requests * 4))
    await asyncio.gather(*(_lane(url, iter(range(2))) for _ in range(64)))
    began = time.perf_counter()
    lanes = await asyncio.gather(*(_lane(url, left) for _ in range(64)))
    many = sorted(took for lane in lanes for took in lane)
    rate = len(many) / (time.perf_counter() - began)
    print(f"64 in flight, {len(many)} requests: {rate:.0f} requests/s, {percentiles(many)}")


async def _lane(url: str, left: Iterator[int]) -> list[float]:
    """One client per lane: a pool shared by many makes them wait for one another."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        return [await _one(client) for _ in left]


def percentiles(sorted_ms: list[float]) -> str:
    return f"p50 {sorted_ms[len(sorted_ms) // 2]:.1f} ms, p99 {sorted_ms[int(len(sorted_ms) * 0.99)]:.1f} ms"


if __name__ == "__main__":
    with stack() as running:
        asyncio.run(_measure(running.url, int(sys.argv[1]) if len(sys.argv) > 1 else 500))
