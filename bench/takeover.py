"""How long a killed worker's work waits for another one, from `kill -9` to the next begin, with the default settings.

Workers have model calls under way; one after another is killed and replaced.

python -m bench.takeover [KILLS]
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from subprocess import Popen

import asyncpg
import httpx

from agent.adapters.embedded import running
from bench.stack import Stack, stack, start_worker

QUESTION = {"input": "When was the cue light built?"}
CALL_MS = 2_000
LANES = 12
BETWEEN_S = (3.0, 5.0)
"""Each kill falls at another moment of the heartbeats."""

WAITED = """
select extract(epoch from min(later.began_at) - $2)::float8 as waited
from attempts lost join attempts later
  on later.run_id = lost.run_id and later.seq = lost.seq and later.delivery > lost.delivery
where lost.worker like $1 and lost.outcome is null and lost.began_at < $2
group by lost.token
"""
RUNS = "select count(*) as runs, count(*) filter (where status = 'completed') as completed from runs"


async def _lane(url: str, stop: asyncio.Event) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=150) as client:
        while not stop.is_set():
            (await client.post("/v1/responses", json=QUESTION)).raise_for_status()


async def _strike(service: Stack, workers: list[Popen[bytes]], kills: int) -> list[tuple[int, datetime]]:
    """Kill and replace in turn; the process and the moment of each kill."""
    found = []
    for kill in range(kills):
        await asyncio.sleep(random.uniform(*BETWEEN_S))
        victim = workers[kill % len(workers)]
        victim.kill()
        found.append((victim.pid, datetime.now(UTC)))
        victim.wait()
        workers[kill % len(workers)] = await asyncio.to_thread(start_worker, service)
    return found


async def _measure(service: Stack, workers: list[Popen[bytes]], kills: int) -> list[tuple[int, datetime]]:
    stop = asyncio.Event()
    lanes = [asyncio.create_task(_lane(service.url, stop)) for _ in range(LANES)]
    struck = await _strike(service, workers, kills)
    stop.set()
    await asyncio.gather(*lanes)
    return struck


async def _tell(database_url: str, struck: Sequence[tuple[int, datetime]]) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        waits = [row["waited"] for pid, at in struck for row in await connection.fetch(WAITED, f"%:{pid}:%", at)]
        (runs,) = await connection.fetch(RUNS)
    finally:
        await connection.close()
    waits.sort()
    print(f"{len(struck)} workers killed, {len(waits)} deliveries taken over")
    print(f"runs: {runs['runs']}, completed: {runs['completed']}")
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    print(f"from kill to the next begin: p50 {p50:.2f} s, p99 {p99:.2f} s, longest {waits[-1]:.2f} s")


def main(kills: int) -> None:
    with stack(lines=[{"delay_ms": CALL_MS}]) as service:
        engines = running(service.data_dir)
        if engines is None:
            raise SystemExit("the engines cannot be found")
        workers = [start_worker(service) for _ in range(2)]
        try:
            struck = asyncio.run(_measure(service, workers, kills))
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()
        asyncio.run(_tell(engines.database_url, struck))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
