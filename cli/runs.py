"""`cuelight runs`: lists of runs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.adapters.embedded import EngineUrls
from agent.envelope import scrub
from agent.inspection import RunFilter, RunLine
from agent.settings import Settings
from cli import loop, machine
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.plain import text
from cli.reading import looking
from cli.spans import seconds, short
from cli.telling import STATUS_STYLE

console = Console(highlight=False)


class Status(StrEnum):
    """`open` is the ledger's `in_progress`."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"


def runs(
    status: Annotated[Status | None, typer.Option(help="Only runs of this status.", show_default=False)] = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    route: Annotated[str | None, typer.Option(help="Only open runs that stand at this route.")] = None,
    error_class: Annotated[str | None, typer.Option(help="Only runs that met this class of error.")] = None,
    older_than: Annotated[str | None, typer.Option(help="Opened longer ago than, such as 15m.")] = None,
    younger_than: Annotated[str | None, typer.Option(help="Opened less long ago than, such as 2h.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Runs on a page.")] = 20,
    before: Annotated[str | None, typer.Option(help="The next page: runs before this id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; `next` is the id for --before.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List runs, the newest first."""
    settings = settings_for(data_dir)
    configure(settings, "runs")
    chosen = RunFilter(
        status="in_progress" if status is Status.OPEN else status,
        agent=_storable(agent),
        route=_storable(route),
        error_class=_storable(error_class),
        older_than_s=None if older_than is None else seconds(older_than),
        younger_than_s=None if younger_than is None else seconds(younger_than),
    )
    with engines_for(settings) as urls:
        found = loop.run(_read(settings, urls, chosen, limit + 1, _storable(before)))
    page, more = found[:limit], len(found) > limit
    if as_json:
        machine.tell({"runs": page, "next": page[-1].id if more else None})
        return
    console.print(_table(page) if page else Text("no runs", "dim"))
    if more:
        console.print(text(f"more: add --before {page[-1].id}", "dim"), soft_wrap=True)


def _storable(value: str | None) -> str | None:
    return None if value is None else scrub(value)


async def _read(
    settings: Settings, urls: EngineUrls, chosen: RunFilter, most: int, before: str | None
) -> Sequence[RunLine]:
    async with looking(settings, urls) as it:
        return await it.ledger.runs(chosen, most, before)


def _table(lines: Sequence[RunLine]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("run", no_wrap=True, min_width=37)
    table.add_column("status", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("agent", overflow="fold")
    table.add_column("where, took", overflow="fold")
    for it in lines:
        status = "open" if it.status == "in_progress" else it.status
        name = text(it.agent) + Text(f" #{it.generation}" if it.generation > 1 else "", "dim")
        table.add_row(
            text(it.id), text(status, STATUS_STYLE.get(it.status, "yellow")), short(it.age_s), name, _place(it)
        )
    return table


def _place(it: RunLine) -> Text:
    error = text(f" {it.error_class}", "red") if it.error_class else Text()
    if it.route is None:
        took = "no work row" if it.took_s is None else f"{short(it.took_s)}"
        return text(took, "dim" if it.took_s is not None else "red") + error
    late = Text(" overdue", "red") if it.left_s is not None and it.left_s < 0 else Text()
    tried = Text(f" #{it.attempt}", "dim") if (it.attempt or 1) > 1 else Text()
    wait = Text(f" in {short(it.due_in_s)}", "dim") if it.due_in_s is not None and it.due_in_s > 0 else Text()
    return text(it.route) + tried + wait + late + error
