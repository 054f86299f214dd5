"""`cuelight jobs`: the long work of operators, and `cuelight jobs run`, the process that does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.adapters.embedded import EngineUrls
from agent.jobs import Job
from agent.settings import Settings
from cli import loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.operating import operating
from cli.plain import plain, text
from cli.reading import operator
from cli.serve import running, say_ready
from cli.watching import exit_of, watch_job, words

app = typer.Typer(no_args_is_help=True, help="Look at the long work of operators, cancel it, or do it.")
console = Console(highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
JobId = Annotated[str, typer.Argument(help="The job's id: job_…")]
STYLES = {"done": "green", "failed": "red", "cancelled": "magenta", "running": "yellow"}


@app.command()
def run(data_dir: DataDir = None) -> None:
    """Work on jobs until told to stop. Any number of these processes may run."""
    from workers.jobs.process import serve  # RQ is not needed by the other commands

    settings = settings_for(data_dir)
    configure(settings, "jobs")
    serve(settings, *running(settings), lambda: say_ready("jobs"))


@app.command("list")
def list_jobs(
    open_only: Annotated[bool, typer.Option("--open", help="Only jobs that have not ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many jobs.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List jobs, the newest first."""
    settings = settings_for(data_dir)
    configure(settings, "jobs")
    with engines_for(settings) as urls:
        found = loop.run(_list(settings, urls, limit, open_only))
    if as_json:
        machine.tell([as_values(job) for job in found])
    else:
        console.print(_table(found) if found else Text("no jobs", "dim"))


@app.command()
def show(job: JobId, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Tell everything about one job."""
    settings = settings_for(data_dir)
    configure(settings, "jobs")
    with engines_for(settings) as urls:
        found = _found(job, loop.run(_job(settings, urls, job)))
    if as_json:
        machine.tell(as_values(found))
        return
    console.print(text(found.id, "bold") + Text("  ") + _state(found))
    for name in ("kind", "asked_by", "arguments", "created_at", "started_at", "seen_at", "ended_at", "holder"):
        if (value := getattr(found, name)) is not None:
            console.print(Text(f"{name:<11}", "dim") + text(value), soft_wrap=True)
    console.print(text(words(found)), soft_wrap=True)


@app.command()
def cancel(job: JobId, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Have a job end after the batch that it is at. What it has done stays done."""
    settings = settings_for(data_dir)
    configure(settings, "jobs")
    with engines_for(settings) as urls:
        found = _found(job, loop.run(_cancel(settings, urls, job)))
    if as_json:
        machine.tell(as_values(found))
    elif found.ended and found.state != "cancelled":
        console.print(text(f"{found.id} had ended before: {words(found)}"), soft_wrap=True)
    else:
        console.print(text(f"{found.id} {'is cancelled' if found.ended else 'ends after the batch that it is at'}"))


@app.command()
def watch(job: JobId, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a job's progress until it ends, or until Ctrl-C; the job goes on then."""
    settings = settings_for(data_dir)
    configure(settings, "jobs")
    with engines_for(settings) as urls:
        found = _found(job, watch_job(settings, urls, job))
    if as_json:
        machine.tell(as_values(found))
    else:
        console.print(text(f"{found.id}: {words(found)}"), soft_wrap=True)
    raise typer.Exit(exit_of(found))


def as_values(job: Job) -> dict[str, Any]:
    """A job for JSON; what is JSON in the ledger stands as objects."""
    return {
        **{name: getattr(job, name) for name in job.__slots__},
        "arguments": orjson.loads(job.arguments),
        "result": job.counts,
    }


def _found(id: str, job: Job | None) -> Job:
    if job is None:
        leave(Exit.NOT_FOUND, f"there is no job {plain(id, 80)!r} in this ledger")
    return job


async def _list(settings: Settings, urls: EngineUrls, most: int, open_only: bool) -> Sequence[Job]:
    async with operating(settings, urls) as it:
        return await it.jobs.jobs(most, open_only=open_only)


async def _job(settings: Settings, urls: EngineUrls, id: str) -> Job | None:
    async with operating(settings, urls) as it:
        return await it.jobs.job(id)


async def _cancel(settings: Settings, urls: EngineUrls, id: str) -> Job | None:
    async with operating(settings, urls) as it:
        return await it.jobs.cancel(id, operator())


def _table(jobs: Sequence[Job]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("job", no_wrap=True)
    for name in ("kind", "state", "done", "asked"):
        table.add_column(name, no_wrap=True)
    table.add_column("by", overflow="fold")
    for job in jobs:
        done = f"{job.done}" if job.total is None else f"{job.done}/{job.total}"
        asked = f"{job.created_at:%m-%d %H:%M}"
        table.add_row(text(job.id), text(job.kind), _state(job), done, asked, text(job.asked_by))
    return table


def _state(job: Job) -> Text:
    asked = " (cancel asked)" if job.cancel_asked and not job.ended else ""
    return text(job.state + asked, STYLES.get(job.state, ""))
