"""The whole service as real processes, each behind a proxy of ours where there is a network, and a supervisor."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.children import Child
from tests.chaos.client import exchange
from tests.chaos.model import PAGE, Model
from tests.chaos.notebook import Notebook
from tests.chaos.proxy import Link, Target
from tests.chaos.servers import Ledger, Valkey
from tests.disks import Disk

PREFIX = "chaos"
ROUTES = ("retrieve", "generate", "validate", "repair")
WORKERS = 3
DOORS = 2
TEND_S = 0.05
SETTINGS = {
    "CUELIGHT_REDIS_PREFIX": PREFIX,
    "CUELIGHT_AGENT": "tests.chaos.company:talk,tests.chaos.company:cited",
    "CUELIGHT_MODELS": "fake-model",
    "CUELIGHT_MODEL_INPUT_USD_PER_MTOK": "1",
    "CUELIGHT_MODEL_OUTPUT_USD_PER_MTOK": "2",
    "CUELIGHT_MODEL_STRUCTURED": "json_schema",
    "CUELIGHT_MODEL_TIMEOUT_S": "15",
    "CUELIGHT_DRAIN_S": "10",
    "CUELIGHT_LOG_FORMAT": "json",
    "CUELIGHT_LOG_LEVEL": "warning",
}
"""What is not named here is as it ships. A hanging model call gives up before its run's deadline of a minute."""


def cuelight() -> list[str]:
    """The command as it is installed."""
    installed = Path(sys.executable).with_name("cuelight")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "cli.main"]


@dataclass
class Stage:
    """Everything that runs. `can` names the features that this release has, as its own help and replies say."""

    home: Path
    notes: Notebook
    redis: Valkey
    ledger: Ledger
    model: Model
    links: dict[str, Link]
    doors: list[Child] = field(default_factory=list)
    workers: list[Child] = field(default_factory=list)
    relays: list[Child] = field(default_factory=list)
    others: list[Child] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    can: set[str] = field(default_factory=set)
    environment: dict[str, str] = field(default_factory=dict)
    disk: Disk | None = None
    """Below the ledger alone, where this machine lets us mount one."""

    @property
    def service(self) -> list[Child]:
        return [*self.doors, *self.workers, *self.relays, *self.others]

    async def tend(self) -> None:
        """Start again what dies, until cancelled."""
        while True:
            for child in [*self.service, self.redis, self.model]:
                code = child.tend(time.monotonic())
                if code is not None:
                    self.notes.note("deaths", at=time.time(), name=child.name, code=code)
            await asyncio.sleep(TEND_S)

    async def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a `cuelight` command to its end; the proxies go on meanwhile."""
        told = {"env": self.environment, "capture_output": True, "text": True, "timeout": 120}
        return await asyncio.to_thread(subprocess.run, [*cuelight(), *words], **told)  # type: ignore[arg-type]


@asynccontextmanager
async def set_up(home: Path, notes: Notebook, disk: Disk | None = None) -> AsyncIterator[Stage]:
    """Everything started and answering; all of it is gone afterwards. Raises `RuntimeError` if it does not come up."""
    stage = _build(home, notes, disk)
    tending: asyncio.Task[None] | None = None
    try:
        await _start_servers(stage)
        await _start_service(stage)
        tending = asyncio.create_task(stage.tend())
        await _find_features_of_http(stage)
        yield stage
    finally:
        if tending is not None:
            tending.cancel()
        await _strike(stage)


def _build(home: Path, notes: Notebook, disk: Disk | None) -> Stage:
    redis, ledger = Valkey(home), Ledger(home)
    model = Model(home, cuelight(), free_port())
    targets: dict[str, Target] = {"redis": redis.socket, "ledger": ledger.socket, "model": ("127.0.0.1", model.port)}
    links = {name: Link(name, target) for name, target in targets.items()}
    return Stage(home, notes, redis, ledger, model, links, disk=disk, can={"disk"} if disk else set())


async def _start_servers(stage: Stage) -> None:
    stage.ledger.start()
    stage.redis.start()
    stage.model.start()
    for link in stage.links.values():
        await link.open()
    for server in (stage.ledger, stage.redis, stage.model):
        if not await server.up():
            raise RuntimeError(f"{server.name} did not start; see the logs in {stage.home}")
    stage.environment = _environment(stage)
    page = stage.home / "pages" / "warranty.md"
    page.parent.mkdir()
    page.write_text(PAGE)
    features = asyncio.create_task(_features(stage))
    for words in (("migrate",), ("ingest", str(page))):
        done = await stage.run(*words)
        if done.returncode != 0:
            raise RuntimeError(f"cuelight {words[0]} failed: {done.stderr}")
    stage.can |= await features


def _environment(stage: Stage) -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("CUELIGHT_", "PG"))}
    ports = {name: link.port for name, link in stage.links.items()}
    urls = {
        "CUELIGHT_DATABASE_URL": f"postgresql://cuelight@127.0.0.1:{ports['ledger']}/cuelight?sslmode=disable",
        "CUELIGHT_REDIS_URL": f"redis://127.0.0.1:{ports['redis']}",
        "CUELIGHT_MODEL_BASE_URL": f"http://127.0.0.1:{ports['model']}/v1",
        "CUELIGHT_DATA_DIR": str(stage.home / "data"),
    }
    return {**outside, "PYTHONPATH": str(Path.cwd()), **SETTINGS, **urls}


async def _start_service(stage: Stage) -> None:
    alone = ("--no-relay",) if {"relay", "no-relay"} <= stage.can else ()
    stage.ports = [free_port() for _ in range(DOORS)]
    stage.doors = [_child(stage, f"api-{n}", "api", "--port", str(port)) for n, port in enumerate(stage.ports, start=1)]
    stage.workers = [_child(stage, f"worker-{n}", "worker", *alone) for n in range(1, WORKERS + 1)]
    stage.relays = [_child(stage, "relay", "relay")] if alone else []
    stage.others = [_child(stage, "jobs", "jobs", "run")] if "jobs" in stage.can else []
    for child in stage.service:
        child.start()
    for child in stage.service:
        if not await child.up():
            raise RuntimeError(f"{child.name} did not start; see {child.log}")


def _child(stage: Stage, name: str, *words: str) -> Child:
    # Each worker has a directory of its own, as on machines of their own.
    own = {**stage.environment, "CUELIGHT_DATA_DIR": str(stage.home / f"data-{name}")}
    return Child(name, [*cuelight(), *words], own, stage.home / f"{name}.log")


async def _features(stage: Stage) -> set[str]:
    said, of_workers = await asyncio.gather(stage.run("--help"), stage.run("worker", "--help"))
    found = {name for name in ("relay", "doctor", "jobs") if f"│ {name} " in said.stdout}
    return found | ({"no-relay"} if "--no-relay" in of_workers.stdout else set())


async def _find_features_of_http(stage: Stage) -> None:
    port = stage.ports[0]
    body = b'{"model": "talk", "input": "Is anybody there?"}'
    keyed = await exchange(port, "POST", "/v1/responses", headers={"idempotency-key": "probe"}, body=body)
    cancel = await exchange(port, "POST", "/v1/responses/resp_0/cancel")
    if keyed.status == 200:
        stage.can.add("keys")
    if '"response_not_found"' in cancel.body:
        stage.can.add("cancel")


async def _strike(stage: Stage) -> None:
    for child in [*stage.service, stage.model, stage.redis]:
        if child.process is not None:
            await child.kill()
    for link in stage.links.values():
        await link.close()
    await stage.ledger.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
