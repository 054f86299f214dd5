"""`cuelight models`: the models that are configured, and whether they can do the work."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from decimal import Decimal
from statistics import median

import typer
from rich.console import Console
from rich.table import Table

from agent.adapters.model.book import ModelBook
from agent.agents import documents
from agent.effects import Found, Search
from agent.events import AnswerAccepted
from agent.prompting import PromptBook
from agent.settings import OFFLINE, load
from agent.testing import Chain
from agent.wiring import cast, model_book
from cli import loop
from cli.exits import Exit
from cli.logs import configure
from cli.model_questions import PASSAGES, QUESTIONS
from cli.plain import text
from workers.perform import Perform
from workers.rehearsal import Work

app = typer.Typer(help="List the configured models, or check them.", invoke_without_command=True)
console = Console(highlight=False)


@app.callback()
def models(context: typer.Context) -> None:
    """List the configured models; prices are USD per million tokens."""
    if context.invoked_subcommand is not None:
        return
    table = Table("model", "endpoint", "base URL", "input", "cached", "output", box=None, header_style="dim")
    for endpoint in load().endpoints():
        for it in endpoint.models:
            prices = (it.input_usd_per_mtok, it.cached_usd_per_mtok, it.output_usd_per_mtok)
            table.add_row(*(text(value) for value in (it.name, endpoint.name, endpoint.base_url, *map(_price, prices))))
    if not table.rows:
        table.add_row(OFFLINE, OFFLINE, "built in", "0", "0", "0")
    console.print(table)


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
