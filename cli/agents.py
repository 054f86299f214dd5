"""`cuelight agents`: the agents that are configured, and whether their flows hold."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from rich.console import Console

from agent.definition import BoundAgent
from agent.flow import draw, examine
from agent.prompting import PromptBook
from agent.settings import OFFLINE, load
from agent.wiring import Cast, cast
from cli.exits import Exit
from cli.plain import text

app = typer.Typer(help="List the configured agents, or check them.", invoke_without_command=True)
console = Console(highlight=False)


@app.callback()
def agents(context: typer.Context) -> None:
    """List the configured agents."""
    if context.invoked_subcommand is not None:
        return
    company = cast(load())
    for name, bound in company.agents.items():
        default = "  (default)" if name == company.default else ""
        console.print(text(name, "bold cyan") + text(f"  {bound.version}{default}", "dim"), soft_wrap=True)
        if bound.agent.description:
            console.print(text(f"  {bound.agent.description}"))
        console.print(text(f"  models:  {', '.join(bound.models)}", "dim"), soft_wrap=True)
        for line in _prompts(bound, company.book):
            console.print(text(line, "dim"), soft_wrap=True)


@app.command()
def check() -> None:
    """Load every configured agent, draw its flow, and name what keeps its runs from ending."""
    findings = 0
    company = cast(load())
    for bound in company.agents.values():
        console.print(draw(bound), markup=False, soft_wrap=True)
        for line in _prompts(bound, company.book):
            console.print(text(line, "dim"), soft_wrap=True)
        found = [*examine(bound), *_models_not_here(bound, company)]
        findings += len(found)
        for finding in found:
            console.print(text(f"x {finding}", "red"), soft_wrap=True)
        if not found:
            console.print(text("ok", "green"))
    if findings:
        raise typer.Exit(Exit.FAILED)


def _models_not_here(bound: BoundAgent, company: Cast) -> Iterator[str]:
    """A call of one of these is refused, and a run whose models are all of that kind fails."""
    here = tuple(company.accepts) or (OFFLINE,)
    for model in bound.models:
        if model not in here:
            yield f"model {model!r} is not configured; there is {', '.join(here)}"


def _prompts(bound: BoundAgent, book: PromptBook) -> Iterator[str]:
    """What new runs start with, and what is kept beside it for runs on their way."""
    for name, version in bound.prompts.items():
        yield f"  prompt {name}@{version}"
        others = [prompt.version for prompt in book.versions(name) if prompt.version != version]
        if others:
            yield f"    kept for runs on their way: {', '.join(others)}"
