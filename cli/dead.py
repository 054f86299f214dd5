"""`cuelight dead`: the work that nobody could do, looked at; `cli.settling` has the commands that settle it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.adapters.embedded import EngineUrls
from agent.envelope import scrub
from agent.letters import Filter, Letter, LetterStory, State
from agent.settings import Settings
from cli import loop, machine, settling
from cli.choosing import AgentName, Kind, OlderThan, Route, Run, YoungerThan, letters_of
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.letter import as_values, tell
from cli.logs import configure
from cli.operating import operating
from cli.plain import plain, text
from cli.spans import short

app = typer.Typer(no_args_is_help=True, help="Look at dead letters, run them again, or discard them.")
app.command()(settling.replay)
app.command()(settling.discard)
console = Console(highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


class Which(StrEnum):
    """`settled` letters were replayed or discarded."""

    OPEN = "open"
    SETTLED = "settled"
    ANY = "any"


@app.command("list")
def list_letters(
    route: Route = None,
    kind: Kind = None,
    agent: AgentName = None,
    run: Run = None,
    older_than: OlderThan = None,
    younger_than: YoungerThan = None,
    state: Annotated[Which, typer.Option(help="Open ones wait for an operator.")] = Which.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Letters on a page.")] = 20,
    after: Annotated[str | None, typer.Option(help="The next page: letters after this id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; `next` is the id for --after.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List dead letters, the oldest first."""
    settings = settings_for(data_dir)
    configure(settings, "dead")
    wanted: State = "open" if state is Which.OPEN else "settled" if state is Which.SETTLED else "any"
    chosen = letters_of(route, kind, agent, run, older_than, younger_than, wanted)
    with engines_for(settings) as urls:
        found = loop.run(_page(settings, urls, chosen, limit + 1, after))
    if found is None:
        leave(Exit.NOT_FOUND, f"there is no dead letter {plain(after, 80)!r} to begin after")
    page, more = found[:limit], len(found) > limit
    if as_json:
        machine.tell({"letters": page, "next": page[-1].id if more else None})
        return
    console.print(_table(page) if page else Text("no dead letters", "dim"))
    if more:
        console.print(text(f"more: add --after {page[-1].id}", "dim"), soft_wrap=True)


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="The dead letter's id, as `list` shows it.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Tell everything that a dead letter carries: reason, event, attempts, calls, cost and raw bytes."""
    settings = settings_for(data_dir)
    configure(settings, "dead")
    with engines_for(settings) as urls:
        told = loop.run(_read(settings, urls, scrub(letter)))
    if told is None:
        leave(Exit.NOT_FOUND, f"there is no dead letter {plain(letter, 80)!r} in this ledger")
    if as_json:
        machine.tell(as_values(told))
    else:
        console.print(tell(told))


async def _page(
    settings: Settings, urls: EngineUrls, chosen: Filter, most: int, after: str | None
) -> Sequence[Letter] | None:
    async with operating(settings, urls) as it:
        if after is None:
            return await it.letters.letters(chosen, most)
        last = await it.letters.letter(scrub(after))
        place = None if last is None else (last.letter.created_at, last.letter.id)
        return None if place is None else await it.letters.letters(chosen, most, place)


async def _read(settings: Settings, urls: EngineUrls, id: str) -> LetterStory | None:
    async with operating(settings, urls) as it:
        return await it.letters.letter(id)


def _table(letters: Sequence[Letter]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("dead letter", overflow="fold", min_width=41)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("route", overflow="fold")
    table.add_column("error", overflow="fold")
    now = datetime.now(UTC)
    for it in letters:
        age = short(max((now - it.created_at).total_seconds(), 0.0))
        settled = text(f" {it.settled_as or 'settled'}", "dim") if it.settled_at else Text()
        table.add_row(text(it.id), age, text(it.route), text(it.kind, "red") + settled)
    return table
