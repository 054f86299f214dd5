"""`cuelight pause`, `cuelight resume` and `cuelight pauses`: an operator stops things, and lets them go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.adapters.embedded import EngineUrls
from agent.pauses import INTAKE, ROUTE, Pause
from agent.settings import Settings
from cli import loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.plain import plain, text
from cli.reading import looking, operator, routes_of

console = Console(highlight=False)

Scope = Annotated[str, typer.Argument(help="`intake`, or `route:NAME`.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

EFFECT = {
    True: "new requests get 503 until `cuelight resume intake`; runs that were accepted go on",
    False: "no worker reads it until it is resumed; what is under way ends, and deadlines go on",
}


def pause(
    scope: Scope,
    reason: Annotated[str, typer.Option(help="Why; clients of a paused intake read it.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Stop taking new requests, or stop the work of one route, within a second or two."""
    settings = settings_for(data_dir)
    configure(settings, "pause")
    with engines_for(settings) as urls:
        _refuse_unknown(scope, loop.run(_routes(settings, urls)))
        new = loop.run(_pause(settings, urls, scope, reason))
    if as_json:
        machine.tell({"scope": scope, "paused": True, "changed": new})
    elif new:
        console.print(text(f"{scope} is paused: {EFFECT[scope == INTAKE]}"), soft_wrap=True)
    else:
        console.print(text(f"{scope} was paused already; see `cuelight pauses`"))


def resume(scope: Scope, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Let what was paused go on."""
    settings = settings_for(data_dir)
    configure(settings, "resume")
    with engines_for(settings) as urls:
        done = loop.run(_resume(settings, urls, scope))
        if not done:
            _refuse_unknown(scope, loop.run(_routes(settings, urls)))
    if as_json:
        machine.tell({"scope": scope, "paused": False, "changed": done})
    else:
        console.print(text(f"{scope} goes on" if done else f"{scope} was not paused"))


def pauses(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List what is paused, by whom and why."""
    settings = settings_for(data_dir)
    configure(settings, "pauses")
    with engines_for(settings) as urls:
        found = loop.run(_pauses(settings, urls))
    if as_json:
        machine.tell([asdict(it) for it in found])
    elif not found:
        console.print("nothing is paused", style="dim")
    else:
        console.print(_table(found))


def _refuse_unknown(scope: str, routes: Sequence[str]) -> None:
    if scope == INTAKE or (scope.startswith(ROUTE) and scope.removeprefix(ROUTE) in routes):
        return
    if scope.startswith(ROUTE):
        named = plain(scope.removeprefix(ROUTE), 80)
        leave(Exit.NOT_FOUND, f"there is no route {named!r}; there is {', '.join(map(plain, routes))}")
    leave(Exit.USAGE, f"{plain(scope, 80)!r} cannot be paused; `intake` and `route:NAME` can")


async def _routes(settings: Settings, urls: EngineUrls) -> Sequence[str]:
    """The routes of the agents, and those at which work of other agents still stands."""
    async with looking(settings, urls) as it:
        return sorted({*routes_of(settings), *await it.ledger.backlog()})


async def _pause(settings: Settings, urls: EngineUrls, scope: str, reason: str) -> bool:
    async with looking(settings, urls) as it:
        return await it.pauses.pause(scope, reason, operator())


async def _resume(settings: Settings, urls: EngineUrls, scope: str) -> bool:
    async with looking(settings, urls) as it:
        return await it.pauses.resume(scope, operator())


async def _pauses(settings: Settings, urls: EngineUrls) -> Sequence[Pause]:
    async with looking(settings, urls) as it:
        return await it.pauses.pauses()


def _table(found: Sequence[Pause]) -> Table:
    table = Table("paused", "since", "by", "reason", box=None, header_style="dim", pad_edge=False)
    for it in found:
        row = (it.scope, f"{it.at:%Y-%m-%d %H:%M:%S}", it.by, it.reason)
        table.add_row(*(text(value) for value in row))
    return table
