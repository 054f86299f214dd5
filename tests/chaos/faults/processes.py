"""Faults of processes: killed, frozen, or told to stop; the ledger's too."""

from __future__ import annotations

import asyncio
from signal import SIGCONT, SIGSTOP, SIGTERM

import psutil

from tests.chaos.children import Child
from tests.chaos.faults.kind import Told, length, one
from tests.chaos.plan import Planned
from tests.chaos.stage import Stage


async def kill(child: Child) -> Told:
    async with child.lock:
        pid = child.pid
        await child.kill()
        return {"target": child.name, "pid": pid}


async def kill_worker(stage: Stage, planned: Planned) -> Told:
    return await kill(one(stage.workers, planned))


async def kill_api(stage: Stage, planned: Planned) -> Told:
    return await kill(one(stage.doors, planned))


async def kill_relay(stage: Stage, planned: Planned) -> Told:
    return await kill(one(stage.relays, planned))


async def kill_heartbeat(stage: Stage, planned: Planned) -> Told:
    """The processes that a worker has beside itself; the worker lives."""
    child = one(stage.workers, planned)
    async with child.lock:
        if not child.alive:
            return {"target": child.name, "killed": 0}
        found = psutil.Process(child.pid).children()
        for process in found:
            process.kill()
        return {"target": child.name, "killed": len(found)}


async def freeze(child: Child, seconds: float) -> Told:
    async with child.lock:
        pid = child.pid
        child.send(SIGSTOP)
        await asyncio.sleep(seconds)
        child.send(SIGCONT)
        return {"target": child.name, "pid": pid, "seconds": seconds}


async def freeze_worker(stage: Stage, planned: Planned) -> Told:
    """From less than a lease to three of them."""
    return await freeze(one(stage.workers, planned), length(planned, 1.0, 9.0))


async def freeze_api(stage: Stage, planned: Planned) -> Told:
    return await freeze(one(stage.doors, planned), length(planned, 0.5, 4.0))


async def freeze_relay(stage: Stage, planned: Planned) -> Told:
    return await freeze(one(stage.relays, planned), length(planned, 1.0, 6.0))


async def roll_workers(stage: Stage, planned: Planned) -> Told:
    """A deploy: one after another is asked to stop, and started when it has."""
    codes = []
    for child in stage.workers:
        async with child.lock:
            child.held = True
            child.send(SIGTERM)
            codes.append(await child.gone(within_s=25.0))
            if codes[-1] is None:
                await child.kill()
            child.start()
            child.held = False
            await child.up()
    return {"codes": codes}


async def roll_api(stage: Stage, planned: Planned) -> Told:
    child = one(stage.doors, planned)
    async with child.lock:
        child.held = True
        child.send(SIGTERM)
        code = await child.gone(within_s=25.0)
        await child.kill()
        child.start()
        child.held = False
        await child.up()
        return {"target": child.name, "code": code}


async def kill_postgres(stage: Stage, planned: Planned) -> Told:
    async with stage.ledger.lock:
        await stage.ledger.kill()
        await asyncio.sleep(length(planned, 0.1, 3.0))
        stage.ledger.start()
        return {"up": await stage.ledger.up()}


async def ledger_full(stage: Stage, planned: Planned) -> Told:
    """Its disk has no room for a while. Every other time its log needs another file: it dies, and is started again."""
    ledger, disk = stage.ledger, stage.disk
    assert disk is not None
    async with ledger.lock:
        starts = ledger.starts
        disk.fill()
        try:
            if planned.rolls[2] < 0.5:
                await ledger.turn_log()
            await asyncio.sleep(length(planned, 1.0, 6.0))
        finally:
            disk.free()
        return {"up": await ledger.answers(), "died": ledger.starts - starts}


async def freeze_postgres(stage: Stage, planned: Planned) -> Told:
    async with stage.ledger.lock:
        stage.ledger.freeze()
        await asyncio.sleep(length(planned, 0.5, 4.0))
        stage.ledger.thaw()
        return {}
