"""`cuelight approvals`: calls of tools that somebody has to approve before they are made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from agent.adapters.embedded import EngineUrls
from agent.approvals import MOST_LISTED, MOST_REASON_CHARS, Decided, Decision, Waiting
from agent.envelope import scrub
from agent.settings import Settings
from cli import loop, machine
from cli.exits import Exit, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.operating import operating
from cli.plain import plain, text
from cli.reading import operator

app = typer.Typer(no_args_is_help=True, help="See which calls of tools wait for an approval, and decide on them.")
console = Console(highlight=False)

PROBLEM_CHARS = 200
Run = Annotated[str, typer.Argument(help="The id of the response.")]
Reason = Annotated[str, typer.Option(help="Why; the model is told it where a call is denied.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def listed(
    project: Annotated[str | None, typer.Option(help="Of this project only.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show the runs that wait, the longest first, with the calls that they want made."""
    settings = settings_for(data_dir)
    configure(settings, "approvals")
    with engines_for(settings) as urls:
        found = loop.run(_listed(settings, urls, project))
    if as_json:
        machine.tell({"approvals": [_told(it) for it in found]})
    elif found:
        console.print(_table(found))
        if len(found) == MOST_LISTED:
            console.print(text(f"these are the {MOST_LISTED} that wait longest; there may be more", "dim"))
    else:
        console.print("nothing waits for an approval")


@app.command()
def approve(
    run: Run,
    call: Annotated[list[str] | None, typer.Option(help="Only this call, by its id; may be repeated.")] = None,
    reason: Reason = "",
    data_dir: DataDir = None,
) -> None:
    """Have the calls of a run made; those that are not named with --call are denied, if any is."""
    _decide(run, frozenset(call) if call else True, reason, data_dir)


@app.command()
def deny(run: Run, reason: Reason = "", data_dir: DataDir = None) -> None:
    """Have none of the calls made: the model is told so, and goes on without."""
    _decide(run, False, reason, data_dir)


def _decide(run: str, approve: bool | frozenset[str], reason: str, data_dir: DataDir) -> None:
    settings = settings_for(data_dir)
    configure(settings, "approvals")
    if len(reason) > MOST_REASON_CHARS:
        leave(Exit.FAILED, f"--reason may have {MOST_REASON_CHARS} characters, and has {len(reason):,}")
    with engines_for(settings) as urls:
        try:
            done = loop.run(_decided(settings, urls, scrub(run), Decision(approve, operator(), scrub(reason))))
        except ValueError as error:
            leave(Exit.FAILED, plain(str(error), PROBLEM_CHARS))
    if done is Decided.UNKNOWN:
        leave(Exit.NOT_FOUND, f"there is no run {plain(run, 80)!r}")
    if done is Decided.OVER:
        leave(Exit.FAILED, f"run {plain(run, 80)} waits for no approval; `cuelight show` tells how it stands")
    console.print("denied" if approve is False else "approved")


async def _listed(settings: Settings, urls: EngineUrls, project: str | None) -> Sequence[Waiting]:
    async with operating(settings, urls) as it:
        return await it.approvals.waiting(project)


async def _decided(settings: Settings, urls: EngineUrls, run: str, decision: Decision) -> Decided:
    async with operating(settings, urls) as it:
        return await it.approvals.decide(run, None, decision)


def _table(found: Sequence[Waiting]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("run", no_wrap=True, min_width=37)
    for name in ("agent", "call", "tool and arguments", "denied in"):
        table.add_column(name, overflow="fold")
    now = datetime.now(UTC)
    for it in found:
        for call in it.calls:
            table.add_row(
                text(it.run),
                text(it.agent),
                text(call.call_id),
                text(f"{call.name} {call.arguments}"),
                f"{max((it.until - now).total_seconds(), 0):.0f} s",
            )
    return table


def _told(it: Waiting) -> dict[str, object]:
    return {
        "run": it.run,
        "project": it.project,
        "agent": it.agent,
        "calls": [call.model_dump() for call in it.calls],
        "since": it.since.isoformat(),
        "until": it.until.isoformat(),
    }
