"""`cuelight replay`: a run, or a case, once more."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console

from agent.errors import Misconfigured
from agent.testing.guard import LiveCall
from agent.testing.replaying import Replayed
from agent.testing.replaying import replay as replayed
from cli import machine
from cli.case_of import case_of
from cli.comparing import as_json as parts
from cli.comparing import tell
from cli.exits import Exit, leave
from cli.find import DataDir, settings_for
from cli.logs import configure

console = Console(highlight=False)


def replay(
    what: Annotated[str, typer.Argument(help="The response's id, or a case file.")],
    recorded: Annotated[
        bool, typer.Option("--as-recorded", help="Every answer and error as it was; nothing calls out.")
    ] = False,
    agent: Annotated[str | None, typer.Option(help="module:attribute, where the case does not say.")] = None,
    generation: Annotated[int | None, typer.Option(help="Which generation of a run; the newest by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Run a run again in memory, and show where it goes another way than it went."""
    if not recorded:
        leave(Exit.USAGE, "say how: --as-recorded")
    settings = settings_for(data_dir)
    configure(settings, "replay")
    case = case_of(what, settings, generation)
    try:
        done = asyncio.run(replayed(case, agent))  # Python's own loop: the guard that nothing calls out sees through it
    except Misconfigured as error:
        leave(Exit.REFUSED, str(error))
    except LiveCall as error:
        leave(Exit.FAILED, f"{error}: a step or a check of the agent does so by itself")
    _tell_machine(done) if as_json else _tell(done)
    if not done.as_recorded:
        raise typer.Exit(Exit.FAILED)


def _tell(done: Replayed) -> None:
    if done.as_recorded:
        told = f"as recorded: {len(done.now.events)} events, {len(done.now.attempts)} attempts, {done.now.ending.type}"
        console.print(f"{done.then.run.id} {told}", markup=False, soft_wrap=True)
    else:
        tell(console, done)


def _tell_machine(done: Replayed) -> None:
    told: dict[str, Any] = {"run": done.then.run.id, "as_recorded": done.as_recorded}
    told["missing"] = None if done.missing is None else {"what": str(done.missing), "unlike": done.missing.unlike}
    machine.tell(told | parts(done.then, done.now, done.difference))
