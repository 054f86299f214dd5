"""Waiting for a job to end, with a progress bar on standard error."""

from __future__ import annotations

import asyncio
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from agent.adapters.embedded import EngineUrls
from agent.jobs import Job
from agent.settings import Settings
from cli import loop
from cli.exits import Exit, errors
from cli.operating import Operating, operating

LOOK_S = 0.25
UNTAKEN_S = 5.0
"""A job that nobody took for so long needs a process that works on jobs."""
LOOKED_AT = 100
"""Open jobs among which one is looked for that is worked on."""

console = Console(stderr=True, highlight=False)


def watch_job(settings: Settings, urls: EngineUrls, id: str) -> Job | None:
    """The job once it ended, or as it was when Ctrl-C came; None if there is none."""
    last: list[Job] = []

    async def main(stop: asyncio.Event) -> None:
        async with operating(settings, urls) as it:
            await _watch(it, id, stop, last)

    loop.run_until_stopped(main)
    if last and not last[0].ended:
        errors.print(f"{last[0].id} goes on; `cuelight jobs cancel {last[0].id}` ends it", soft_wrap=True)
    return last[0] if last else None


async def _watch(it: Operating, id: str, stop: asyncio.Event, last: list[Job]) -> None:
    began, hinted = time.monotonic(), False
    with _progress() as progress:
        bar: TaskID | None = None
        while (job := await it.jobs.job(id)) is not None:
            last[:] = [job]
            bar = progress.add_task(job.kind, total=job.total) if bar is None else bar
            progress.update(bar, completed=job.done, description=f"{job.kind} {job.state}")
            if job.ended or stop.is_set():
                return
            if job.state == "queued" and not hinted and time.monotonic() - began > UNTAKEN_S:
                hinted = True
                errors.print(await _untaken(it), soft_wrap=True)
            await _pause(stop)


async def _untaken(it: Operating) -> str:
    """Why a job still waits."""
    for job in await it.jobs.jobs(LOOKED_AT, open_only=True):
        if job.state == "running":
            return f"the jobs process works on {job.id}; this one comes after it, or with another `cuelight jobs run`"
    return "nobody works on jobs: start `cuelight jobs run`, or `cuelight up`"


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_S):
            await stop.wait()
    except TimeoutError:
        return


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def words(job: Job) -> str:
    """What has become of it, in words."""
    counts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in job.counts.items())
    of = "" if job.total is None else f" of {job.total}"
    return f"{job.state}, {job.done}{of} seen{': ' if counts else ''}{counts}"


def exit_of(job: Job) -> Exit:
    """A job that failed or was cancelled is a no; one that goes on is none."""
    return Exit.FAILED if job.state in ("failed", "cancelled") else Exit.OK
