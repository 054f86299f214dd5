"""`cuelight cost`: what calls of models cost, whatever became of them."""

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
from agent.inspection import CostLine, Costs
from agent.settings import Settings
from cli import loop, machine
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.plain import text
from cli.reading import looking
from cli.spans import seconds

console = Console(highlight=False)


class By(StrEnum):
    """A day is one of UTC."""

    RUN = "run"
    KEY = "key"
    PROJECT = "project"
    AGENT = "agent"
    MODEL = "model"
    DAY = "day"


def cost(
    by: Annotated[By, typer.Option(help="What to sum by.")] = By.DAY,
    since: Annotated[str | None, typer.Option(help="Only calls of the last 24h, 30d, ...")] = None,
    project: Annotated[str | None, typer.Option(help="Only calls of this project.")] = None,
    run: Annotated[str | None, typer.Option(help="Only calls of this run.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Lines; the total is of all.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; amounts are exact decimals, as text.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Sum up what calls of models cost; failed calls, and those that nobody knows the end of, are in it."""
    settings = settings_for(data_dir)
    configure(settings, "cost")
    since_s = None if since is None else seconds(since)
    chosen = [None if value is None else scrub(value) for value in (project, run)]
    with engines_for(settings) as urls:
        found = loop.run(_read(settings, urls, by, since_s, chosen, limit))
    if as_json:
        machine.tell({"by": by.value, "lines": found.lines, "total": found.total})
        return
    console.print(_table(by, found) if found.lines else Text("no calls of a model", "dim"))
    if left_out := found.total.calls - sum(it.calls for it in found.lines):
        console.print(Text(f"calls in the total whose lines are left out (see --limit): {left_out}", "dim"))
    if found.total.unpriced:
        console.print(Text("?: calls of which neither the cost nor a bound is known; see docs/models.md", "dim"))


async def _read(
    settings: Settings, urls: EngineUrls, by: By, since_s: float | None, chosen: Sequence[str | None], limit: int
) -> Costs:
    project, run = chosen
    async with looking(settings, urls) as it:
        return await it.ledger.costs(by.value, since_s, project, run, limit)


def _table(by: By, found: Costs) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column(by.value, overflow="fold")
    for name in ("calls", "failed", "unknown", "tokens in", "out", "USD", "perhaps more"):
        table.add_column(name, justify="right", no_wrap=True)
    for it in (*found.lines, found.total):
        style = "bold" if it is found.total else ""
        counts = (it.calls, it.failed, it.unknown, it.input_tokens, it.output_tokens)
        table.add_row(text(it.name or "(no key)"), *map(str, counts), _usd(it), _more(it), style=style)
    return table


def _usd(it: CostLine) -> str:
    return f"{it.cost_usd.normalize():f}{' ?' if it.unpriced else ''}"


def _more(it: CostLine) -> str:
    return f"{it.at_most_usd.normalize():f}" if it.at_most_usd else "-"
