"""One run of the fault machine: the stage, the load, the faults of its seed, quiet, and everything written down."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

from tests.chaos import load, watch
from tests.chaos.faults import TABLE
from tests.chaos.load import Ask
from tests.chaos.notebook import Notebook, read
from tests.chaos.plan import Planned, draw
from tests.chaos.replays import replay_some
from tests.chaos.stage import Stage, set_up
from tests.disks import Disk

READ_AGAIN = 2_000
"""So many runs are read again at every door when all is quiet."""
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of the machine. No `faults` means every kind that this release can have."""

    seed: int
    seconds: float
    rate: float
    faults: Sequence[str] = ()
    quiet_s: float = 90.0


async def run(order: Order, home: Path, out: Path, disk: Disk | None = None) -> None:
    """Make the run; what was seen stands in `out`. `home` is for what the processes need, and is thrown away.

    `disk` is what the ledger's files are on, if it may be filled.
    """
    notes = Notebook(out)
    try:
        async with set_up(home, notes, disk) as stage:
            kinds = [
                name for name, kind in TABLE.items() if _possible(stage, name, order) and kind.needs in stage.can | {""}
            ]
            plan = draw(order.seed, order.seconds, kinds)
            notes.note("order", **asdict(order), can=sorted(stage.can), kinds=kinds)
            await watch.measure(stage, "before")
            feed = asyncio.create_task(watch.read_feed(stage))
            await _storm(stage, order, plan)
            await _calm(stage, order)
            feed.cancel()
            await _look_back(stage, order)
    finally:
        notes.close()


def _possible(stage: Stage, name: str, order: Order) -> bool:
    return name in order.faults if order.faults else True


async def _storm(stage: Stage, order: Order, plan: Sequence[Planned]) -> None:
    began = time.time()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run(stage, order.seed, order.rate, order.seconds))
        for planned in plan:
            tasks.create_task(_make(stage, planned, began))
    stage.notes.note("span", began=began, load_until=began + order.seconds, ended=time.time())


async def _make(stage: Stage, planned: Planned, began: float) -> None:
    await asyncio.sleep(max(0.0, began + planned.at_s - time.time()))
    kind, at = TABLE[planned.kind], time.time()
    told = {}
    try:
        told = await kind.act(stage, planned)
    except Exception as error:  # the machine's own trouble is told and stops nothing
        told = {"trouble": f"{type(error).__name__}: {error}"}
    told_of = {"strikes": kind.strikes, "loses": kind.loses, "planned": planned.at_s}
    stage.notes.note("faults", kind=planned.kind, began=at, ended=time.time(), told=told, **told_of)


async def _calm(stage: Stage, order: Order) -> None:
    """Wait until nothing is open any more, or for as long as was said."""
    until = time.monotonic() + order.quiet_s
    while time.monotonic() < until:
        with suppress(OSError, asyncpg.PostgresError):
            if await watch.open_work(stage) == 0:
                break
        await asyncio.sleep(0.5)
    await asyncio.sleep(3.0)  # the feed, the groups and the presence of processes settle
    stage.notes.note("calm", at=time.time())


async def _look_back(stage: Stage, order: Order) -> None:
    await _read_again(stage, order)
    await watch.measure(stage, "after")
    await _doctor(stage)
    await stage.model.remember()
    stage.notes.note_all("model", stage.model.calls)
    await watch.copy_tables(stage)
    await replay_some(stage, order.seed, order.seconds)


async def _read_again(stage: Stage, order: Order) -> None:
    """Read what clients were told once more, at every door."""
    known: dict[str, str] = {}
    for reply in read(stage.notes.home, "replies"):
        if reply["how"] == "create" and reply["status"] == 200 and reply["whole"]:
            with suppress(ValueError):
                body = json.loads(reply["body"])
                if body.get("store"):
                    known[body["id"]] = reply["marker"]
    runs = random.Random(f"again {order.seed}").sample(sorted(known), min(READ_AGAIN, len(known)))
    gate = asyncio.Semaphore(AT_ONCE)

    async def again(door: int, run: str) -> None:
        async with gate:
            await Ask(stage, known[run], "again", random.Random(run)).get(door, run, how="again")

    await asyncio.gather(*(again(door, run) for run in runs for door in range(len(stage.ports))))


async def _doctor(stage: Stage) -> None:
    if "doctor" in stage.can:
        done = await stage.run("doctor", "--json")
        stage.notes.note("doctor", code=done.returncode, said=done.stdout, errors=done.stderr[-2_000:])
