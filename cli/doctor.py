"""`cuelight doctor`: whether the promises hold right now, and what to do where they do not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.checkup import Checkup, check_up
from agent.adapters.ledger.connect import connect
from agent.adapters.probe import probe_database
from agent.adapters.streams.checkup import StreamCheckup
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.looking import looking_client
from agent.doctor import CHECKS, Facts, Finding, Level, confirmed, examine
from agent.doctor.facts import Limits, StreamFacts
from agent.errors import Misconfigured, Transient
from agent.pacing import Hold
from agent.settings import Settings
from agent.wiring import cast
from agent.wording import counted
from cli import loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, attached, settings_for
from cli.holds import holds_at
from cli.logs import configure
from cli.plain import text

console = Console(highlight=False)

SECOND_LOOK_S = 1.0
STYLES = {Level.FAULT: "bold red", Level.WARNING: "bold yellow"}
CODES = {None: Exit.OK, Level.WARNING: Exit.WARNED, Level.FAULT: Exit.FAILED}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Check that nothing is stuck, lost, overdue or misconfigured. Ends with 0: fine, 5: warnings, 1: faults."""
    settings = settings_for(data_dir)
    configure(settings, "doctor")
    urls = attached(settings)
    if urls is None:
        leave(Exit.REFUSED, f"no service runs in {settings.data_dir}, so there is nothing to check")
    found = loop.run(twice(settings, urls))
    worst = found[0].level if found else None
    if as_json:
        machine.tell({"status": worst or "ok", "at": datetime.now(UTC), "findings": [asdict(it) for it in found]})
    else:
        _print(found)
    raise typer.Exit(CODES[worst])


async def twice(settings: Settings, urls: EngineUrls) -> Sequence[Finding]:
    """What two looks have in common; one is enough where it finds nothing."""
    first = examine(await gather(settings, urls))
    if not first:
        return first
    await asyncio.sleep(SECOND_LOOK_S)
    return confirmed(first, examine(await gather(settings, urls)))


async def gather(settings: Settings, urls: EngineUrls) -> Facts:
    """The facts of this moment. An engine that does not answer is a fact too."""
    routes, agents_error = _routes(settings)
    free, is_open = _free_bytes(settings), settings.allow_open_network
    facts = Facts(None, None, _limits(settings), routes, agents_error, disk_free_bytes=free, open_network=is_open)
    checkup = Checkup(None)
    try:
        checkup = await _of_ledger(urls.database_url, facts.limits)
        facts = replace(facts, ledger=checkup.facts)
    except (Misconfigured, Transient) as error:
        facts = replace(facts, ledger_error=str(error))
    try:
        streams = await _of_streams(settings, urls.redis_url, routes, checkup)
        streams = replace(streams, holds=await _holds(settings, urls))
        return replace(facts, streams=_with_life(streams, checkup))
    except (Misconfigured, Transient) as error:
        return replace(facts, streams_error=str(error))


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_deliveries=settings.max_deliveries,
        lease_s=settings.lease_s,
        stall_s=settings.stall_s,
        backlog_s=settings.max_backlog_s,
    )


def _routes(settings: Settings) -> tuple[Sequence[str], str]:
    try:
        return cast(settings).routes, ""
    except Misconfigured as error:
        return (), str(error)


def _free_bytes(settings: Settings) -> int | None:
    """Of the embedded engines' disk; where others run, nobody here knows."""
    if settings.database_url is not None or not settings.data_dir.is_dir():
        return None
    return shutil.disk_usage(settings.data_dir).free


async def _of_ledger(url: str, limits: Limits) -> Checkup:
    await probe_database(url)
    pool = await connect(url, most=1, patience_s=30)
    try:
        return await check_up(pool, limits)
    finally:
        await pool.close()


async def _of_streams(settings: Settings, url: str, routes: Sequence[str], checkup: Checkup) -> StreamFacts:
    try:
        client = looking_client(url)
    except ValueError:
        raise Misconfigured("CUELIGHT_REDIS_URL is not a URL of a server") from None
    try:
        return await StreamCheckup(client, Keys(settings.redis_prefix)).facts(routes, checkup.carried)
    finally:
        await client.aclose()


async def _holds(settings: Settings, urls: EngineUrls) -> Sequence[Hold]:
    """Of the models; none where the settings of the models are wrong, which is somebody else's finding."""
    with suppress(Misconfigured):
        return await holds_at(settings, urls)
    return ()


def _with_life(streams: StreamFacts, checkup: Checkup) -> StreamFacts:
    """The consumers, each with how long ago its process said in the ledger that it lives."""
    seen: Mapping[str, float] = {it.id: it.seen_s for it in checkup.facts.instances} if checkup.facts else {}
    looks = [
        replace(look, consumers=[replace(it, seen_s=seen.get(it.name)) for it in look.consumers])
        for look in streams.routes
    ]
    return replace(streams, routes=looks)


def _print(found: Sequence[Finding]) -> None:
    if not found:
        console.print(text(f"healthy: {len(CHECKS)} checks found nothing", "green"))
        return
    for it in found:
        console.print(
            text(f"{it.level:<7}  ", STYLES[it.level]) + text(it.check, "bold") + text(f"  {it.subject}", "dim")
        )
        console.print(Padding(text(it.said), (0, 0, 0, 9)))
        console.print(Padding(Text("do: ", "cyan") + text(it.advice), (0, 0, 0, 9)))
        if it.examples:
            console.print(Padding(text("  ".join(it.examples), "dim"), (0, 0, 0, 9)))
    faults = sum(it.level is Level.FAULT for it in found)
    console.print(text(f"{counted(faults, 'fault')}, {counted(len(found) - faults, 'warning')}", "dim"))
