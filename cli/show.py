"""`cuelight show`: everything that is on record about one run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.migrate import require_current
from agent.adapters.ledger.story import RunStory, story
from agent.envelope import index
from agent.errors import Misconfigured
from agent.events import CATALOGUE, Event
from agent.settings import Settings
from agent.wiring import cast
from cli import loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.plain import plain
from cli.telling import tell


def show(
    run: Annotated[str, typer.Argument(help="The response's id: resp_…")],
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON, with the events' full data.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Tell the story of one run: events, attempts, calls, cost, and where it stands."""
    settings = settings_for(data_dir)
    configure(settings, "show")
    with engines_for(settings) as urls:
        told = loop.run(_read(urls.database_url, run))
    if told is None:
        leave(Exit.NOT_FOUND, f"there is no run {plain(run, 80)!r} in this ledger")
    if as_json:
        machine.tell(opened(told))
    else:
        Console(highlight=False).print(tell(told, types_of(settings)))


def opened(told: RunStory) -> dict[str, Any]:
    """The story as plain values; what is JSON in the ledger stands as objects where it can be read."""
    value = asdict(told)
    value["run"] |= {name: _opened(value["run"][name]) for name in ("prompts", "request")}
    value["events"] = [{**row, "data": _opened(row["data"])} for row in value["events"]]
    return value


def types_of(settings: Settings) -> Mapping[str, type[Event]]:
    """Every event that the configured agents know; those that ship where the agents cannot be loaded."""
    types = dict(index(CATALOGUE))
    with suppress(Misconfigured):  # a broken agent must not keep an operator from reading what it did
        for bound in cast(settings).agents.values():
            types |= bound.catalogue
    return types


async def _read(url: str, run: str) -> RunStory | None:
    await require_current(url)
    pool = await connect(url, most=1)
    try:
        return await story(pool, run.replace("\x00", "\ufffd").encode("utf-8", "replace").decode())
    finally:
        await pool.close()


def _opened(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
