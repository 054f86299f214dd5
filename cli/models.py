"""`cuelight models`: the models that are configured, and whether they can do the work."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from agent.adapters.model.book import ModelBook
from agent.agents import documents
from agent.effects import Found, Search
from agent.events import AnswerAccepted
from agent.pacing import Hold, Target
from agent.prompting import PromptBook
from agent.settings import OFFLINE, EndpointSettings, ModelSettings, load
from agent.testing import Chain
from agent.testing.rehearsal import Work
from agent.wiring import cast, model_book
from cli import loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.holds import end_holds, holds_of, said
from cli.logs import configure
from cli.model_questions import PASSAGES, QUESTIONS
from cli.plain import plain, text
from workers.perform import Perform

LIMITS = {
    "requests_per_min": "requests/min",
    "tokens_per_min": "tokens/min",
    "concurrency": "at once",
    "usd_per_day": "USD/day",
}

app = typer.Typer(help="List the configured models, or check them.", invoke_without_command=True)
console = Console(highlight=False)


@app.callback()
def models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List the configured models, and what they are on hold for; prices are USD per million tokens."""
    if context.invoked_subcommand is not None:
        return
    settings = settings_for(data_dir)
    configure(settings, "models")
    holds = loop.run(holds_of(settings)) if settings.paid() else []
    rows = [_told(endpoint, model, holds) for endpoint in settings.endpoints() for model in endpoint.models]
    if as_json:
        machine.tell(rows)
    else:
        console.print(_table(rows))


@app.command()
def resume(name: str, as_json: Annotated[bool, typer.Option("--json")] = False, data_dir: DataDir = None) -> None:
    """End every hold of a model, and forget what its breakers counted: all workers call it again at once."""
    settings = settings_for(data_dir)
    configure(settings, "models")
    if (paid := settings.paid().get(name)) is None:
        leave(
            Exit.NOT_FOUND, f"there is no model {plain(name, 80)!r}; there is {', '.join(settings.paid()) or OFFLINE}"
        )
    with engines_for(settings) as urls:
        changed = loop.run(end_holds(settings, urls, paid.target))
    if as_json:
        machine.tell({"model": name, "changed": changed})
    else:
        console.print(text(f"{name} is called again" if changed else f"{name} was not on hold"))


def _told(endpoint: EndpointSettings, model: ModelSettings, holds: Sequence[Hold] | None) -> dict[str, Any]:
    """What is told of a model. Its holds are None where no service runs."""
    mine = None if holds is None else [it for it in holds if it.target == Target(endpoint.name, model.name)]
    prices = {name: getattr(model, f"{name}_usd_per_mtok") for name in ("input", "cached", "output")}
    return {
        "model": model.name,
        "endpoint": endpoint.name,
        "base_url": endpoint.base_url,
        "usd_per_mtok": prices,
        "limits": asdict(model.allowance),
        "holds": mine,
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    names = ("model", "endpoint", "base URL", "input", "cached", "output", "limits", "now")
    table = Table(*names, box=None, header_style="dim")
    for it in rows:
        limits = ", ".join(f"{value} {LIMITS[name]}" for name, value in it["limits"].items() if value is not None)
        now = "?" if it["holds"] is None else said(it["holds"])
        cells = (it["model"], it["endpoint"], it["base_url"], *map(_price, it["usd_per_mtok"].values()), limits, now)
        table.add_row(*map(text, cells))
    if not rows:
        table.add_row(OFFLINE, OFFLINE, "built in", "0", "0", "0", "", "")
    return table


@app.command()
def check() -> None:
    """Put five fixed questions through the documents agent's real chain, once with each model."""
    settings = load().model_copy(update={"log_level": "error"})  # failures stand in the table
    configure(settings, "models")
    reports = loop.run(_check_all(model_book(settings), cast(settings).book))
    _print(reports)
    if any(report.failures for report in reports):
        raise typer.Exit(Exit.FAILED)


@dataclass(slots=True)
class Report:
    """What became of the questions with one model. `cost_usd` is None once one price was unknown."""

    model: str
    accepted: int = 0
    repaired: int = 0
    failures: list[str] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    cost_usd: Decimal | None = Decimal(0)


async def _check_all(models: ModelBook, prompts: PromptBook) -> list[Report]:
    try:
        return [await _check(name, models, prompts) for name in models.chain]
    finally:
        await models.close()


async def _check(name: str, models: ModelBook, prompts: PromptBook) -> Report:
    report, bound = Report(name), replace(documents, models=(name,)).bind(prompts, (name,))
    for question in QUESTIONS:
        chain = Chain(bound, Work({bound.name: bound}, Perform(models, _found), prompts))
        began = time.monotonic()
        await _put(chain, question, report)
        report.latencies_ms.append((time.monotonic() - began) * 1000)
    return report


async def _found(search: Search, project: str) -> Found:
    return Found(passages=PASSAGES, index_version=1)


async def _put(chain: Chain, question: str, report: Report) -> None:
    try:
        told = await chain.ask(question)
    except RuntimeError:  # the held clock passed the run's deadline while it was waiting for its next try
        report.failures.append(f"{question} the run did not end before its deadline")
        return
    cost = told.view.cost_usd
    report.cost_usd = None if cost is None or report.cost_usd is None else report.cost_usd + cost
    if not isinstance(told.ending, AnswerAccepted):
        reasons = [letter.reason for letter in chain.ledger.dead_letters.values()]
        report.failures.append(f"{question} {'; '.join(reasons) or getattr(told.ending, 'message', 'no answer')}")
    elif told.ending.repairs:
        report.repaired += 1
    else:
        report.accepted += 1


def _print(reports: list[Report]) -> None:
    table = Table("model", "accepted", "repaired", "failed", "p50", "cost", box=None, header_style="dim")
    for it in reports:
        cost = "unknown" if it.cost_usd is None else f"{it.cost_usd.normalize():f} USD"
        row = (it.model, it.accepted, it.repaired, len(it.failures), f"{median(it.latencies_ms):.0f} ms", cost)
        table.add_row(*(text(value) for value in row))
    console.print(table)
    for it in reports:
        for failure in it.failures:
            console.print(text(f"{it.model}: {failure}", "red", 400), soft_wrap=True)


def _price(price: Decimal | None) -> str:
    return "?" if price is None else f"{price.normalize():f}"
