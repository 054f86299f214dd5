"""`cuelight ingest`: documents into the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.migrate import migrate
from agent.adapters.retrieval.ingest import ingest
from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.reading import NONE
from agent.adapters.retrieval.shelving import IngestReport
from agent.errors import Refused
from agent.filters import Attributes
from agent.ports import DEFAULT_PROJECT
from agent.settings import Settings
from cli import loop
from cli.attributes import given
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.plain import plain

console = Console(highlight=False, stderr=True)


def ingest_command(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders: Markdown, plain text, HTML, PDF.")],
    collection: Annotated[str, typer.Option(help="The collection to put them in.")] = "default",
    project: Annotated[str, typer.Option(help="The project that they are for.")] = DEFAULT_PROJECT,
    attribute: Annotated[
        list[str] | None, typer.Option(help="key=value: an attribute of all of them, for searches to be narrowed by.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Read documents, so that the next question sees them. Doing it again changes only what has changed."""
    settings = settings_for(data_dir)
    configure(settings, "ingest")
    refuse_missing(paths)
    attributes = given(attribute or ())
    with engines_for(settings, make=True) as urls:
        loop.run(migrate(urls.database_url))
        report = ingest_into(settings, urls, paths, collection, project, attributes)
    if report.skipped and not (report.added or report.unchanged or report.replaced):
        raise typer.Exit(Exit.FAILED)


def refuse_missing(paths: Sequence[Path]) -> None:
    """Leave if there is nothing at one of these paths: it was mistyped."""
    for path in paths:
        if not path.exists():
            leave(Exit.NOT_FOUND, f"there is nothing at {path}")


def ingest_into(
    settings: Settings,
    urls: EngineUrls,
    paths: Sequence[Path],
    collection: str = "default",
    project: str = DEFAULT_PROJECT,
    attributes: Attributes = NONE,
) -> IngestReport:
    """Ingest with a progress bar and a line about what came of it. Ends the process if there is no such project."""
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*bar, console=console, transient=True) as progress:
        task = progress.add_task("reading", total=None)

        def told(done: int, total: int, name: str) -> None:
            progress.update(task, completed=done, total=total, description=name[-40:])

        try:
            report = loop.run(_ingest(urls.database_url, paths, (project, collection, attributes), told))
        except Refused as error:
            leave(Exit.NOT_FOUND, f"{plain(error)}; see `cuelight projects list`")
    _print(report, collection)
    return report


async def _ingest(
    url: str, paths: Sequence[Path], into: tuple[str, str, Attributes], told: Callable[[int, int, str], None]
) -> IngestReport:
    pool = await connect(url, most=2, patience_s=300)
    try:
        project, collection, attributes = into
        library = Library(pool)
        return await ingest(
            library, paths, project=project, collection=collection, attributes=attributes, progress=told
        )
    finally:
        await pool.close()


def _print(report: IngestReport, collection: str) -> None:
    console.print(
        f"{collection}: {report.added} added, {report.replaced} replaced, {report.removed} removed, "
        f"{report.unchanged} unchanged; {report.passages} passages at version {report.version}"
    )
    for path, reason in report.skipped:
        console.print(f"  skipped {path}: {reason}", style="yellow", markup=False)
