"""Handing long work to the jobs process, and waiting for it if somebody wants to."""

from __future__ import annotations

from typing import NoReturn

import typer
from rich.console import Console

from agent.adapters.embedded import EngineUrls
from agent.errors import Transient
from agent.jobs import Job, Kind
from agent.settings import Settings
from cli import loop, machine
from cli.exits import errors
from cli.find import attached
from cli.jobs import as_values
from cli.operating import operating
from cli.plain import text
from cli.reading import operator
from cli.watching import exit_of, watch_job, words

console = Console(highlight=False)


def hand_over(
    settings: Settings, urls: EngineUrls, kind: Kind, arguments: str, total: int | None, *, detach: bool, as_json: bool
) -> NoReturn:
    """Open a job, or find the one that does the same already; wait for its end, unless `detach`. Ends the command."""
    job, new = loop.run(_ask(settings, urls, kind, arguments, total))
    push(settings, urls, job)
    errors.print(f"{job.id} {'is opened' if new else 'does this already'}; `cuelight jobs watch {job.id}` shows it")
    lasting = attached(settings) is not None
    if not detach and lasting:
        job = watch_job(settings, urls, job.id) or job
    if as_json:
        machine.tell({"job": as_values(job), "new": new})
    else:
        console.print(text(f"{job.id}: {words(job)}"), soft_wrap=True)
    raise typer.Exit(exit_of(job))


async def _ask(settings: Settings, urls: EngineUrls, kind: Kind, arguments: str, total: int | None) -> tuple[Job, bool]:
    async with operating(settings, urls) as it:
        return await it.jobs.ask(kind, arguments, operator(), total)


def push(settings: Settings, urls: EngineUrls, job: Job) -> None:
    """Have a jobs process look at it at once."""
    from workers.jobs.queue import JobQueue  # RQ is not needed by the other commands

    queue = JobQueue(settings, urls.redis_url)
    try:
        queue.push(job.id)
    except Transient as error:
        errors.print(f"the jobs process finds it later: {error}", markup=False, soft_wrap=True)
    finally:
        queue.close()
