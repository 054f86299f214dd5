"""A storm of 429s under load: attempts burned, dead letters, how soon all workers pause, and how soon all is as before.

python -m bench.storm [SECONDS [REQUESTS_PER_SECOND]]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import asyncpg
import httpx

from agent.adapters.embedded import running
from agent.testing.fake_model import FakeModel, Script
from bench.stack import ANSWER, Stack, another_worker, stack
from bench.storm_figures import Call, calls_of, during, full_rate_at, pauses_of, slowest_to_pause_s

QUESTION = {"input": "When was the cue light built?"}
WORKERS = 3
MODEL_MS = 200
RETRY_AFTER_S = 1
"""The hard case: thirty times the storm is not over when all may come back."""
BEFORE_S, AFTER_S = 8.0, 10.0
FINE = Script.of([{"answer": ANSWER, "delay_ms": MODEL_MS}])
STORM = Script.of([{"fault": {"kind": "rate_limited", "retry_after": RETRY_AFTER_S}, "delay_ms": 20}])

ATTEMPTS = """
select count(*) as attempts, count(*) filter (where outcome = 'park') as parked,
       count(*) filter (where outcome = 'postpone' or attempt > 1) as burned,
       (select count(*) from dead_letters) as letters
from attempts
"""
WORKER_OF = """
select c.run_id, a.worker
from calls c join attempts a on a.token = c.token
where c.effect_type = 'call_model' order by c.run_id, c.asked_at
"""


async def _ask(client: httpx.AsyncClient) -> str:
    try:
        reply = await client.post("/v1/responses", json=QUESTION)
        return str(reply.json().get("status")) if reply.status_code == 200 else str(reply.status_code)
    except httpx.HTTPError as error:
        return type(error).__name__


async def _load(url: str, rate: float, seconds: float) -> list[str]:
    """So many requests a second, whether or not earlier ones are answered; what became of each."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=url, timeout=150, limits=limits) as client:
        began, asked = time.monotonic(), list[asyncio.Task[str]]()
        while (passed := time.monotonic() - began) < seconds:
            while len(asked) < passed * rate:
                asked.append(asyncio.create_task(_ask(client)))
            await asyncio.sleep(1 / rate)
        return list(await asyncio.gather(*asked))


async def _measure(service: Stack, model: FakeModel, storm_s: float, rate: float) -> Sequence[str]:
    loading = asyncio.create_task(_load(service.url, rate, BEFORE_S + storm_s + AFTER_S))
    await asyncio.sleep(BEFORE_S)
    await model.play(STORM)
    await asyncio.sleep(storm_s)
    await model.play(FINE)
    return await loading


async def _workers(database_url: str, calls: Sequence[Call]) -> list[Call]:
    """The calls, each with who made it: those of one run are on record in the order in which they were made."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(WORKER_OF)
    finally:
        await connection.close()
    made: dict[str, list[str]] = {}
    for row in rows:
        made.setdefault(row["run_id"], []).append(row["worker"])
    return [replace(call, worker=made[call.run].pop(0)) for call in calls if made.get(call.run)]


async def _tell(database_url: str, said: Sequence[str], calls: Sequence[Call], rate: float) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        (row,) = await connection.fetch(ATTEMPTS)
    finally:
        await connection.close()
    refused = [call for call in calls if call.wait_s is not None]
    pauses = pauses_of(calls)
    first, last = pauses[0], pauses[-1]
    print(f"requests: {len(said)}, completed: {said.count('completed')}")
    print(f"attempts: {row['attempts']}, of them waited: {row['parked']}, burned: {row['burned']}")
    print(f"dead letters: {row['letters']}")
    print(f"calls: {len(calls)}, of them turned away: {len(refused)}, in {len(pauses)} pauses")
    slowest = slowest_to_pause_s(calls, first)
    print(f"from the first Retry-After to a worker's last call: {_milliseconds(slowest.values())}")
    grace = {grace_s: len(during(calls, pauses, grace_s)) for grace_s in (0.0, 0.1)}
    print(f"calls during pauses: {grace[0.1]}; within 100 ms of their beginning: {grace[0.0] - grace[0.1]}")
    back = full_rate_at(calls, last.begins, rate)
    if back is None:
        print("the full rate did not come back")
        return
    again = min(call.at for call in calls if call.at >= last.ends)
    print(f"from the end of the last pause to the next call: {(again - last.ends) * 1000:.0f} ms")
    print(f"from the end of the last pause to a whole second at {rate:g} answers: {back - last.ends:.2f} s")


def _milliseconds(values: Iterable[float]) -> str:
    return ", ".join(f"{value * 1000:.0f} ms" for value in sorted(values))


def main(storm_s: float, rate: float) -> None:
    with ExitStack() as opened:
        service = opened.enter_context(stack(lines=[{"delay_ms": MODEL_MS}]))
        for _ in range(WORKERS - 1):
            opened.enter_context(another_worker(service))
        engines = running(service.data_dir)
        if engines is None:
            raise SystemExit("the engines cannot be found")
        model = FakeModel.at(int(service.environment["CUELIGHT_MODEL_BASE_URL"].split(":")[2].split("/")[0]))
        said = asyncio.run(_measure(service, model, storm_s, rate))
        calls = calls_of(asyncio.run(model.log()), RETRY_AFTER_S)
        calls = asyncio.run(_workers(engines.database_url, calls))
        asyncio.run(_tell(engines.database_url, said, calls, rate))


if __name__ == "__main__":
    given = [float(it) for it in sys.argv[1:]]
    main(*(given + [30.0, 30.0][len(given) :]))
