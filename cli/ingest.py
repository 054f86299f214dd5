"""`cuelight ingest`: documents into the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.migrate import migrate
from agent.adapters.retrieval.ingest import ingest
from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.reading import Skipped
from agent.adapters.retrieval.shelving import IngestReport, Shelf
from agent.errors import Refused
from agent.filters import Attributes
from agent.ports import DEFAULT_PROJECT
from agent.settings import Settings
from cli import loop
from cli.attributes import given
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.plain import plain, text

console = Console(highlight=False, stderr=True)
ADDRESS_CHARS = 100
Told = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be read, and where it goes."""

    paths: Sequence[Path]
    lists: Sequence[Path] = ()
    collection: str = "default"
    project: str = DEFAULT_PROJECT
    attributes: Attributes = field(default_factory=dict)


def ingest_command(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files and folders: Markdown, text, HTML, PDF.")] = None,
    urls: Annotated[list[Path] | None, typer.Option(help="A file of web addresses to fetch, one on a line.")] = None,
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
    reading = Reading(paths or (), urls or (), collection, project, given(attribute or ()))
    if not (reading.paths or reading.lists):
        leave(Exit.USAGE, "there is nothing to read: name files or folders, or --urls with a file of addresses")
    refuse_missing([*reading.paths, *reading.lists])
    with engines_for(settings, make=True) as engines:
        loop.run(migrate(engines.database_url))
        missed = ingest_into(settings, engines, reading)
    if missed:
        raise typer.Exit(Exit.FAILED)


def refuse_missing(paths: Sequence[Path]) -> None:
    """Leave if there is nothing at one of these paths: it was mistyped."""
    for path in paths:
        if not path.exists():
            leave(Exit.NOT_FOUND, f"there is nothing at {path}")


def ingest_into(settings: Settings, urls: EngineUrls, reading: Reading) -> bool:
    """Ingest with a progress bar and a line about what came of it. Ends the process if there is no such project.

    Whether something failed: nothing could be read of the paths, or an address brought nothing.
    """
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*bar, console=console, transient=True) as progress:
        task = progress.add_task("reading", total=None)

        def told(done: int, total: int, name: str) -> None:
            progress.update(task, completed=done, total=total, description=plain(name[-40:]))

        try:
            reports = loop.run(_ingest(settings, urls.database_url, reading, told))
        except Refused as error:
            leave(Exit.NOT_FOUND, f"{plain(error)}; see `cuelight projects list`")
        except Skipped as reason:
            leave(Exit.REFUSED, f"the list of addresses cannot be read: {plain(reason)}")
    return any([_tell(report, reading.collection, pages=pages) for report, pages in reports])


async def _ingest(settings: Settings, url: str, reading: Reading, told: Told) -> Sequence[tuple[IngestReport, bool]]:
    """What came of the paths, and (True) of each list of addresses."""
    pool = await connect(url, most=2, patience_s=300)
    try:
        shelf = Shelf(Library(pool), reading.project, reading.collection, reading.attributes)
        reports = [(await _read(shelf, reading.paths, told), False)] if reading.paths else []
        return [*reports, *[(await _fetch(settings, shelf, listed, told), True) for listed in reading.lists]]
    finally:
        await pool.close()


async def _read(shelf: Shelf, paths: Sequence[Path], told: Told) -> IngestReport:
    into = {"project": shelf.project, "collection": shelf.collection}
    return await ingest(shelf.library, paths, attributes=shelf.attributes, progress=told, **into)


async def _fetch(settings: Settings, shelf: Shelf, listed: Path, told: Told) -> IngestReport:
    # Only those that fetch need the HTTP client.
    from agent.adapters.retrieval.fetching import Fetcher
    from agent.adapters.retrieval.pages import ingest_pages

    fetcher = Fetcher(allow_private=settings.ingest_allow_private)
    try:
        return await ingest_pages(shelf, listed, fetcher, progress=told)
    finally:
        await fetcher.close()


def _tell(report: IngestReport, collection: str, *, pages: bool) -> bool:
    """Say what came of it; whether it failed."""
    console.print(
        f"{plain(collection)}: {report.added} added, {report.replaced} replaced, {report.removed} removed, "
        f"{report.unchanged} unchanged; {report.passages} passages at version {report.version}",
        markup=False,
    )
    if pages and report.skipped:
        console.print(_table(report))
    for path, reason in () if pages else report.skipped:
        console.print(text(f"  skipped {path}: {reason}", "yellow"))
    return bool(report.skipped) if pages else report.nothing


def _table(report: IngestReport) -> Table:
    table = Table("address", "why it was skipped", box=None, pad_edge=False)
    for address, reason in report.skipped:
        table.add_row(text(address, most=ADDRESS_CHARS), text(reason, "yellow"))
    return table
