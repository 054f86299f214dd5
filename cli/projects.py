"""`cuelight projects`: who shares this service, and what each of them may use."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.access import PROJECT_ID, Key, Project
from agent.adapters.embedded import EngineUrls
from cli import granting, loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.granting import AsJson, Concurrent, Requests, Tokens, Usd
from cli.logs import configure
from cli.plain import plain, text
from cli.reading import operator
from cli.spans import seconds

app = typer.Typer(no_args_is_help=True, help="Open projects, change what they may use, list them, and close them.")
console = Console(highlight=False)

Id = Annotated[str, typer.Argument(help="The project's id: small letters, digits, `_` and `-`.")]
Name = Annotated[str | None, typer.Option(help="What people call it.")]
Agents = Annotated[str | None, typer.Option(help="Agents that it may use, with commas between; `all` by default.")]
Models = Annotated[str | None, typer.Option(help="Models that it may use, with commas between; `all` by default.")]


@app.command()
def create(
    id: Id,
    name: Name = None,
    agents: Agents = None,
    models: Models = None,
    requests_per_min: Requests = None,
    tokens_per_min: Tokens = None,
    concurrent_runs: Concurrent = None,
    usd_per_day: Usd = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Open a project. It has no key yet: see `cuelight keys create`."""
    settings = settings_for(data_dir)
    configure(settings, "projects")
    if not PROJECT_ID.fullmatch(id):
        leave(Exit.USAGE, f"{plain(id, 80)!r} is no id of a project: use 1 to 64 of a-z, 0-9, `_` and `-`")
    limits = granting.limits_of(requests_per_min, tokens_per_min, concurrent_runs, usd_per_day)
    project = Project(id, name or id, granting.names(agents, None), granting.names(models, None), limits)
    with engines_for(settings, make=True) as urls:
        if not loop.run(_create(urls, project)):
            leave(Exit.FAILED, f"there is a project {id!r} already")
    if as_json:
        machine.tell(granting.values_of(project))
    else:
        console.print(
            text(f"project {id} is open; give it a key with `cuelight keys create --project {id}`"), soft_wrap=True
        )


@app.command()
def change(
    id: Id,
    name: Name = None,
    agents: Agents = None,
    models: Models = None,
    requests_per_min: Requests = None,
    tokens_per_min: Tokens = None,
    concurrent_runs: Concurrent = None,
    usd_per_day: Usd = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Change what a project may use, within seconds; what is not given stays as it is."""
    settings = settings_for(data_dir)
    configure(settings, "projects")
    given = (requests_per_min, tokens_per_min, concurrent_runs, usd_per_day)
    with engines_for(settings) as urls:
        known = find(loop.run(_all(urls)), id)
        limits = granting.limits_of(*given, known.limits)
        chosen = granting.names(agents, known.agents), granting.names(models, known.models)
        changed = replace(known, name=name or known.name, agents=chosen[0], models=chosen[1], limits=limits)
        loop.run(_change(urls, changed))
    if as_json:
        machine.tell(granting.values_of(changed))
    else:
        console.print(text(f"project {id} is changed"))


@app.command("list")
def list_projects(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List projects with what they may use."""
    settings = settings_for(data_dir)
    configure(settings, "projects")
    with engines_for(settings) as urls:
        found = loop.run(_all(urls))
    if as_json:
        machine.tell([granting.values_of(project) for project in found])
    else:
        console.print(_table(found))


@app.command()
def revoke(
    id: Id,
    grace: Annotated[str, typer.Option(help="How long the keys are still good, such as 1h.")] = "0s",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Close a project to everybody: all its keys are refused, within seconds or after a grace. Nothing is deleted."""
    settings = settings_for(data_dir)
    configure(settings, "projects")
    grace_s = seconds(grace)
    with engines_for(settings) as urls:
        find(loop.run(_all(urls)), id)
        revoked = loop.run(_revoke(urls, id, grace_s))
    if as_json:
        machine.tell([granting.values_of(key) for key in revoked])
    else:
        console.print(text(f"project {id}: {len(revoked)} {'key' if len(revoked) == 1 else 'keys'} revoked"))


def find(projects: Collection[Project], id: str) -> Project:
    """The project of this id. Ends the process if there is none."""
    found = next((project for project in projects if project.id == id), None)
    if found is None:
        there = ", ".join(project.id for project in projects)
        leave(Exit.NOT_FOUND, f"there is no project {plain(id, 80)!r}; there is {there}")
    return found


async def _create(urls: EngineUrls, project: Project) -> bool:
    async with granting.access(urls, make=True) as it:
        return await it.create_project(project, operator())


async def _change(urls: EngineUrls, project: Project) -> bool:
    async with granting.access(urls) as it:
        return await it.change_project(project, operator())


async def _revoke(urls: EngineUrls, project: str, grace_s: float) -> Sequence[Key]:
    async with granting.access(urls) as it:
        living = [key for key in await it.keys(project) if key.lives_s is None or key.lives_s > 0]
        revoked = [await it.revoke_key(key.id, grace_s, operator()) for key in living]
        return [key for key in revoked if key is not None]


async def _all(urls: EngineUrls) -> Sequence[Project]:
    async with granting.access(urls) as it:
        return list((await it.book()).projects.values())


def _table(found: Sequence[Project]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("project", "name", "agents", "models", "limits"):
        table.add_column(name, overflow="fold")
    for it in found:
        row = (it.id, it.name, granting.listed(it.agents), granting.listed(it.models), granting.told(it.limits))
        table.add_row(*(text(value) for value in row))
    return table
