"""`cuelight search`: what a question finds, without asking any model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from agent.adapters.ledger.connect import connect
from agent.adapters.retrieval.library import Library
from agent.effects import Found, Search
from agent.events import Passage
from agent.ports import DEFAULT_PROJECT
from agent.settings import Settings
from agent.steps.parts import MOST_NEIGHBOURS, MOST_PASSAGES
from agent.wiring import searcher
from cli import loop, machine
from cli.attributes import condition
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.plain import plain, text

console = Console(highlight=False)
TEXT_CHARS = 240
LINE_CHARS = 200


def search(
    question: Annotated[str, typer.Argument(help="What to look for.")],
    collection: Annotated[str, typer.Option(help="The collection to search.")] = "default",
    project: Annotated[str, typer.Option(help="The project whose collection it is.")] = DEFAULT_PROJECT,
    where: Annotated[list[str] | None, typer.Option(help="key=value: only documents with this attribute.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST_PASSAGES, help="Passages, the best first.")] = 6,
    neighbours: Annotated[int, typer.Option(min=0, max=MOST_NEIGHBOURS, help="More before and after each.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with the whole texts.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show the passages that a question finds, with their scores: what an agent would have to answer from."""
    settings = settings_for(data_dir)
    configure(settings, "search")
    wanted = Search(
        collection=collection, query=question, limit=limit, where=condition(where or ()), neighbours=neighbours
    )
    with engines_for(settings) as urls:
        found = loop.run(_search(settings, urls.database_url, wanted, project))
    if found is None:
        leave(Exit.NOT_FOUND, f"the project {plain(project, 80)!r} has no collection {plain(collection, 80)!r}")
    _tell(wanted, found, as_json)
    if not found.passages:
        raise typer.Exit(Exit.FAILED)


async def _search(settings: Settings, url: str, wanted: Search, project: str) -> Found | None:
    """What is found; None where there is no such collection."""
    pool = await connect(url, most=2)
    try:
        library = Library(pool)
        if not await library.collections(project, [wanted.collection]):
            return None
        searching = searcher(settings, library)
        try:
            return await searching.search(wanted, project)
        finally:
            searching.close()
    finally:
        await pool.close()


def _tell(wanted: Search, found: Found, as_json: bool) -> None:
    if as_json:
        passages = [passage.model_dump(mode="json") for passage in found.passages]
        told = {"collection": wanted.collection, "index_version": found.index_version, "passages": passages}
        machine.tell(told)
        return
    for passage in found.passages:
        for line in _lines(passage):
            console.print(line, soft_wrap=True)
    count = f"{len(found.passages) or 'no'} passage{'' if len(found.passages) == 1 else 's'}"
    console.print(text(f"{count} of {wanted.collection} at version {found.index_version}", "dim"), soft_wrap=True)


def _lines(passage: Passage) -> Iterable[Text]:
    score = f"{passage.score:.2f}" if passage.score else "around"
    yield text(f"{passage.label}  {score}  {passage.title}  {passage.source}", "bold", LINE_CHARS)
    yield text(f"    {passage.text}", most=TEXT_CHARS)
