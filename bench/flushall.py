"""Redis forgets everything, again and again, under load: what is lost, doubled, held up, and paid for twice.

python -m bench.flushall [TIMES]
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

import asyncpg
import httpx
from redis.asyncio import Redis

from agent.adapters.embedded import EngineUrls, running
from bench.stack import Stack, another_worker, stack

WORKERS = 3
MODEL_S = {"quickly": 0.3, "slowly": 6.0}
"""How long the model takes for a question with this word in it: less, and more, than a lease lasts."""
LANES = ["quickly"] * 16 + ["slowly"] * 8
BETWEEN_S = (5.0, 7.0)
"""Longer than a lease: each loss is mended before the next one."""
WARM_UP_S = 10.0
"""Processes that begin to work are slow for a moment; what began then is not looked at."""

ENDINGS = """
select count(*) filter (where endings > 1) as doubled, count(*) filter (where endings = 0) as without
from (select r.id, r.generation, count(e.seq) as endings
      from runs r left join events e
        on e.run_id = r.id and e.generation = r.generation and e.type = r.ending_type
      group by r.id, r.generation) as runs
"""
REPEATED = """
select coalesce(sum(calls - 1), 0) as repeated, (select count(*) from calls where effect_type = 'call_model') as calls,
       (select count(*) from calls where effect_type = 'call_model' and status = 'unknown') as unknown
from repeated_calls
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request. `run` is empty if no answer came; `extra_s` is what it took beyond the model's time."""

    began: float
    ended: float
    run: str
    extra_s: float


async def _ask(client: httpx.AsyncClient, how: str) -> Answer:
    began = time.monotonic()
    try:
        reply = await client.post("/v1/responses", json={"input": f"When was the cue light built? Answer {how}."})
        body = reply.json() if reply.status_code == 200 else {}
    except httpx.HTTPError:
        body = {}
    run = body["id"] if body.get("status") == "completed" else ""
    ended = time.monotonic()
    return Answer(began, ended, run, ended - began - MODEL_S[how])


async def _lane(url: str, how: str, stop: asyncio.Event) -> list[Answer]:
    found = []
    async with httpx.AsyncClient(base_url=url, timeout=150) as client:
        while not stop.is_set():
            found.append(await _ask(client, how))
    return found


async def _strike(url: str, times: int) -> list[float]:
    """When each blow fell."""
    found = []
    async with Redis.from_url(url) as client:
        for _ in range(times):
            await asyncio.sleep(random.uniform(*BETWEEN_S))
            await client.flushall()
            found.append(time.monotonic())
        await asyncio.sleep(BETWEEN_S[1])
    return found


async def _measure(service: Stack, engines: EngineUrls, times: int) -> None:
    stop = asyncio.Event()
    lanes = [asyncio.create_task(_lane(service.url, how, stop)) for how in LANES]
    await asyncio.sleep(WARM_UP_S)
    began = time.monotonic()
    blows = await _strike(engines.redis_url, times)
    stop.set()
    until = time.monotonic()
    answers = [answer for lane in await asyncio.gather(*lanes) for answer in lane if answer.began > began]
    _tell(answers, blows, until)
    await _tell_of_ledger(engines.database_url)


def _tell(answers: Sequence[Answer], blows: Sequence[float], until: float) -> None:
    lost = sum(not answer.run for answer in answers)
    ends = sorted(answer.ended for answer in answers if answer.ended < until)
    struck = [answer for answer in answers if any(answer.began <= blow <= answer.ended for blow in blows)]
    silence = max((later - earlier for earlier, later in pairwise(ends)), default=0.0)
    usual = sorted(answer.extra_s for answer in answers)[len(answers) // 2]
    print(f"FLUSHALL {len(blows)} times within {len(answers)} requests, {len(struck)} of them under way at that moment")
    print(f"lost: {lost}; the same answer given twice: {len(answers) - lost - len({a.run for a in answers if a.run})}")
    print(f"longest stall of one request: {max(answer.extra_s for answer in struck):.2f} s; usual: {usual:.2f} s")
    print(f"longest time in which no request was answered: {silence:.2f} s")


async def _tell_of_ledger(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        (endings,), (paid,) = await connection.fetch(ENDINGS), await connection.fetch(REPEATED)
        losses = await connection.fetchval("select losses from transport")
    finally:
        await connection.close()
    print(f"runs with two endings: {endings['doubled']}, without one: {endings['without']}; losses noticed: {losses}")
    print(f"paid calls: {paid['calls']}, of them repeated: {paid['repeated']}, unknown: {paid['unknown']}")


def main(times: int) -> None:
    lines = [{"contains": how, "delay_ms": seconds * 1_000} for how, seconds in MODEL_S.items()]
    with ExitStack() as opened:
        service = opened.enter_context(stack(lines=lines))
        for _ in range(WORKERS - 1):
            opened.enter_context(another_worker(service))
        engines = running(service.data_dir)
        if engines is None:
            raise SystemExit("the engines cannot be found")
        asyncio.run(_measure(service, engines, times))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
