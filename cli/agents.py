"""`cuelight agents`: the agents that are configured, and whether their flows hold."""

from __future__ import annotations

import typer
from rich.console import Console

from agent.flow import draw, examine
from agent.settings import load
from agent.wiring import cast
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
        prompts = ", ".join(f"{prompt}@{version}" for prompt, version in bound.prompts.items())
        console.print(text(f"  prompts: {prompts}", "dim"), soft_wrap=True)


@app.command()
def check() -> None:
    """Load every configured agent, draw its flow, and name what keeps its runs from ending."""
    findings = 0
    for bound in cast(load()).agents.values():
        console.print(draw(bound), markup=False, soft_wrap=True)
        found = examine(bound)
        findings += len(found)
        for finding in found:
            console.print(text(f"x {finding}", "red"), soft_wrap=True)
        if not found:
            console.print(text("ok", "green"))
    if findings:
        raise typer.Exit(Exit.FAILED)
