"""`python -m tests.fuzz --seed 1 --bodies 10000`: a real door, a worker and the fake model, and requests that nobody
would send on purpose. Exit code 1 if one of them does what it should not."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import structlog
import uvloop

from agent.adapters.embedded import Engines, EngineUrls
from tests.e2e.house import RIGHT, House, opened
from tests.engines import temporary_directory
from tests.fuzz.judge import judged
from tests.fuzz.mutations import mutated

HERE = Path(__file__).parent
AT_ONCE = 16
SHOWN = 20


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bodies", type=int, default=10_000, help="good bodies, made worse")
    parser.add_argument("--examples", type=int, default=60, help="for each call, drawn from the document")
    parser.add_argument("--schemathesis", type=Path, default=Path(".venv-fuzz/bin/schemathesis"))
    return parser.parse_args()


def main() -> int:
    given = arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with temporary_directory() as path, Engines(path) as engines:
        return 0 if uvloop.run(_all(given, engines.urls)) else 1


async def _all(given: argparse.Namespace, urls: EngineUrls) -> bool:
    key = uuid4().hex + uuid4().hex
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(opened(urls, "fuzz", [{"answer": RIGHT}], bootstrap_key=key))
        await stack.enter_async_context(house.worker())
        http = await stack.enter_async_context(house.door())
        http.headers["authorization"] = f"Bearer {key}"
        bodies = await _bodies(given, house, http)
        return await _document(given, http, key) and bodies


async def _bodies(given: argparse.Namespace, house: House, http: httpx.AsyncClient) -> bool:
    """Whether each of them got what it may get, and whether the ledger holds the runs that replies tell of, no more."""
    verdict = await judged(mutated(given.seed, given.bodies), http, at_once=AT_ONCE)
    runs = await house.pool.fetchval("select count(*) from runs")
    for wrong in verdict.wrong[:SHOWN]:
        sys.stdout.write(f"{wrong}\n\n")
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(verdict.statuses.items()))
    sys.stdout.write(f"seed {given.seed}: {statuses}; {len(verdict.wrong)} wrong; ")
    sys.stdout.write(f"{runs} runs in the ledger for {verdict.opened} accepted requests\n")
    sys.stdout.flush()
    return not verdict.wrong and runs == verdict.opened


async def _document(given: argparse.Namespace, http: httpx.AsyncClient, key: str) -> bool:
    """Whether schemathesis finds the service to be as its document says."""
    options = [
        *("--config-file", HERE / "schemathesis.toml", "run", http.base_url.join("/openapi.json")),
        *("--seed", given.seed, "--max-examples", given.examples, "--header", f"Authorization: Bearer {key}"),
        *("--continue-on-failure", "--no-color"),
    ]
    around = {**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "hooks", "NO_PROXY": "*"}
    child = await asyncio.create_subprocess_exec(given.schemathesis, *map(str, options), env=around)
    try:
        return await child.wait() == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


if __name__ == "__main__":
    sys.exit(main())
