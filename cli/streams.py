"""`cuelight streams`: what stands in the streams, and who reads them. Looking takes and changes nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.adapters.embedded import EngineUrls
from agent.inspection import Backlog, ConsumerLook, Entry, RouteLook
from agent.pauses import Pause, of_route
from agent.settings import Settings
from cli import loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.plain import plain, text
from cli.reading import Looking, looking, routes_of
from cli.spans import short
from cli.tail import follow

app = typer.Typer(help="Show the streams of the routes, or their entries.", invoke_without_command=True)
console = Console(highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
RouteName = Annotated[str, typer.Argument(help="The route whose stream to look into.")]
VALUE_CHARS = 200
ENTRY = re.compile(r"\d{1,19}(-\d{1,19})?")


@app.callback()
def streams(context: typer.Context, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show each route: its stream, who reads it, and the open work that the ledger has for it."""
    if context.invoked_subcommand is not None:
        if as_json or data_dir is not None:
            leave(Exit.USAGE, f"put the options after `{context.invoked_subcommand}`")
        return
    settings = settings_for(data_dir)
    configure(settings, "streams")
    with engines_for(settings) as urls:
        told = loop.run(_overview(settings, urls))
    if as_json:
        machine.tell({"routes": told})
        return
    console.print(_table(told))
    if any(row["consumers"] for row in told):
        console.print()
        console.print(_readers(told))
    for row in told:
        _print_notes(row)


@app.command()
def peek(
    route: RouteName,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many entries.")] = 10,
    after: Annotated[str | None, typer.Option(help="Only entries after this id.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest ones; the oldest by default.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show entries of a route as they are, with who holds them. Garbage is shown harmlessly."""
    if after is not None and not ENTRY.fullmatch(after):
        leave(Exit.USAGE, f"{plain(after, 80)!r} is no id of an entry, such as 1764000000000-0")
    settings = settings_for(data_dir)
    configure(settings, "streams")
    with engines_for(settings) as urls:
        found = loop.run(_peek(settings, urls, route, count, after, newest))
    if found is None:
        leave(Exit.NOT_FOUND, _no_stream(settings, route))
    if as_json:
        machine.tell([_as_json(entry) for entry in found])
        return
    for entry in found:
        console.print(_entry(entry))
    if not found:
        console.print("no entries", style="dim")


@app.command()
def tail(
    route: RouteName,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show entries of a route as they come, until Ctrl-C."""
    settings = settings_for(data_dir)
    configure(settings, "streams")
    known = routes_of(settings)
    if known and route not in known:
        leave(Exit.NOT_FOUND, _no_stream(settings, route))

    def show(entry: Entry) -> None:
        if as_json:
            machine.line(_as_json(entry))
        else:
            console.print(_entry(entry), soft_wrap=True)

    follow(settings, lambda it, place: it.streams.tail(route, place), show)


def _no_stream(settings: Settings, route: str) -> str:
    there = ", ".join(routes_of(settings)) or "none: the agents cannot be loaded"
    return f"there is no stream of a route {plain(route, 80)!r}; the agents have {there}"


async def _peek(
    settings: Settings, urls: EngineUrls, route: str, count: int, after: str | None, newest: bool
) -> Sequence[Entry] | None:
    async with looking(settings, urls) as it:
        return await it.streams.peek(route, count, after, newest=newest)


async def _overview(settings: Settings, urls: EngineUrls) -> list[dict[str, Any]]:
    async with looking(settings, urls) as it:
        return [_row(*found) for found in await read_routes(it, routes_of(settings))]


async def read_routes(it: Looking, known: Sequence[str]) -> list[tuple[RouteLook, Backlog, Pause | None]]:
    """Every route there is: those of the agents, those with open work, and those with a stream."""
    backlog, seen, pauses = await it.ledger.backlog(), await it.ledger.seen(), await it.pauses.pauses()
    stopped = {pause.scope: pause for pause in pauses}
    names = sorted({*known, *backlog, *await it.streams.routes()})
    looks = await asyncio.gather(*(it.streams.route(name) for name in names))
    return [
        (_with_life(look, seen), backlog.get(look.route, Backlog(look.route)), stopped.get(of_route(look.route)))
        for look in looks
    ]


def _with_life(look: RouteLook, seen: Mapping[str, float]) -> RouteLook:
    return replace(look, consumers=[replace(it, seen_s=seen.get(it.name)) for it in look.consumers])


def _row(look: RouteLook, backlog: Backlog, pause: Pause | None) -> dict[str, Any]:
    ledger = asdict(backlog)
    ledger.pop("route")
    return {**asdict(look), "idle_s": look.idle_s, "ledger": ledger, "paused": None if pause is None else asdict(pause)}


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("route", overflow="fold")
    for name in ("length", "unread", "pending", "oldest", "idle", "due", "later", "unsent", "readers"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        ledger, unread = row["ledger"], f"{row['lag']}{'' if row['lag_exact'] else '+'}"
        idle = Text("paused", "yellow") if row["paused"] else Text(short(row["idle_s"]))
        numbers = (row["length"], unread, row["pending"], short(row["oldest_s"]))
        more = (ledger["due"], ledger["postponed"], ledger["unpublished"], len(row["consumers"]))
        table.add_row(text(row["route"], "bold"), *map(text, numbers), idle, *map(text, more))
    return table


def _readers(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("reader", overflow="fold")
    table.add_column("route", overflow="fold")
    for name in ("pending", "idle", "heartbeat"):
        table.add_column(name, justify="right", no_wrap=True)
    found = [(row["route"], ConsumerLook(**it)) for row in rows for it in row["consumers"]]
    for route, it in sorted(found, key=lambda pair: (pair[1].name, pair[0])):
        table.add_row(text(it.name), text(route), str(it.pending), short(it.idle_s), short(it.seen_s))
    return table


def _print_notes(row: Mapping[str, Any]) -> None:
    if pause := row["paused"]:
        why = f": {pause['reason']}" if pause["reason"] else ""
        since = f"{pause['at']:%Y-%m-%d %H:%M:%S}"
        console.print(text(f"{row['route']} is paused by {pause['by']} since {since}{why}", "yellow"))
    if not row["grouped"]:
        missing = "group" if row["exists"] else "stream"
        console.print(text(f"{row['route']} has no {missing}: no worker was here yet", "yellow"))


def _entry(entry: Entry) -> Text:
    held = "unread" if entry.consumer is None else f"held by {entry.consumer}, handed out {entry.deliveries} times"
    lines = [text(entry.id, "bold") + text(f"  {short(entry.age_s)} old, {held}", "dim")]
    lines += [
        Text("  ") + text(name, "cyan", VALUE_CHARS) + Text("=", "dim") + text(value, "", VALUE_CHARS)
        for name, value in entry.fields
    ]
    return Text("\n").join(lines)


def _as_json(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "fields": [list(pair) for pair in entry.fields]}
