"""`cuelight tail`: the feed of events, live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from agent.errors import Transient
from agent.inspection import Entry
from agent.settings import Settings
from cli import loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, attached, settings_for
from cli.logs import configure
from cli.plain import plain, text
from cli.reading import Looking, looking
from cli.spans import seconds

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

COMMON = {"id", "run", "generation", "seq", "type", "version", "project", "agent", "trace", "at"}
"""What stands in front of the fields of an event's own; see `docs/feed.md`."""
STYLES = {"answer.accepted": "green", "run.failed": "red", "run.cancelled": "red", "draft.rejected": "yellow"}
VALUE_CHARS = 40
AWAY_S = 1.0

Follow = Callable[[Looking, str | None], AsyncGenerator[Entry, None]]


def tail(
    run: Annotated[str | None, typer.Option(help="Only events of this run.")] = None,
    type: Annotated[str | None, typer.Option(help="Only events of this type, such as run.failed.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only events of this agent's runs.")] = None,
    since: Annotated[str | None, typer.Option(help="Begin so long ago, such as 15m; now by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show what happens in the runs as it happens, until Ctrl-C."""
    settings = settings_for(data_dir)
    configure(settings, "tail")
    back_s = None if since is None else seconds(since)

    def show(entry: Entry) -> None:
        fields = dict(entry.fields)
        if not _wanted(fields, run, type, agent):
            return
        if as_json:
            machine.line({"entry": entry.id, **fields})
        else:
            _print(fields)

    async def feed(it: Looking, place: str | None) -> AsyncGenerator[Entry, None]:
        if place is None and back_s is not None:
            place = await it.streams.feed_since(back_s)
        async for entry in it.streams.feed(place):
            yield entry

    follow(settings, feed, show)


def follow(settings: Settings, entries: Follow, show: Callable[[Entry], None]) -> None:
    """Show entries until Ctrl-C. While the transport is away it is tried again, from the last entry seen."""
    urls = attached(settings)
    if urls is None:
        leave(Exit.REFUSED, f"no service runs in {settings.data_dir}: start `cuelight up` in another terminal")

    async def main(stop: asyncio.Event) -> None:
        async with looking(settings, urls) as it:
            showing = asyncio.create_task(_show(it, entries, show))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({showing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (showing, stopping):
                task.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
            try:
                await showing
            except asyncio.CancelledError:
                return

    loop.run_until_stopped(main)


async def _show(it: Looking, entries: Follow, show: Callable[[Entry], None]) -> None:
    place: str | None = None
    while True:
        try:
            async with aclosing(entries(it, place)) as coming:
                async for entry in coming:
                    show(entry)
                    place = entry.id
        except Transient as error:
            errors.print(text(f"{error}; trying again", "yellow"))
            await asyncio.sleep(AWAY_S)


def _wanted(fields: dict[str, str], run: str | None, type: str | None, agent: str | None) -> bool:
    made = fields.get("agent", "").split("@")[0]
    pairs = ((run, fields.get("run")), (type, fields.get("type")), (agent, made))
    return all(wanted is None or wanted == found for wanted, found in pairs)


def _print(fields: dict[str, str]) -> None:
    """In a terminal the facts of an event stand below it; in a pipe an event is one line."""
    head, facts = _head(fields), _facts(fields)
    if console.is_terminal and facts.plain:
        console.print(head, Padding(facts, (0, 0, 0, 13)), sep="\n")
    else:
        console.print(head + Text("  ") + facts if facts.plain else head, soft_wrap=True)


def _head(fields: dict[str, str]) -> Text:
    kind = fields.get("type", "?")
    place = f"{fields.get('run', '?')} {fields.get('generation', '?')}/{fields.get('seq', '?')}"
    at = text(fields.get("at", "")[11:23] or "?", "dim")
    return Text(" ").join([at, text(place, "", 60), text(kind, STYLES.get(kind, "bold"), 60)])


def _facts(fields: dict[str, str]) -> Text:
    own = (f"{name}={plain(value, VALUE_CHARS)}" for name, value in fields.items() if name not in COMMON and value)
    return text("  ".join(own), "dim", 400)
