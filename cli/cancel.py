"""`cuelight cancel`: an operator ends a run that nobody wants to go on."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from agent.adapters.embedded import EngineUrls
from agent.cancels import Cancelled
from agent.envelope import scrub
from agent.errors import Transient
from agent.settings import Settings
from cli import loop, machine
from cli.exits import Exit, errors, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.operating import operating
from cli.plain import plain

console = Console(highlight=False)

Run = Annotated[str, typer.Argument(help="The id of the response.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def cancel(run: Run, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """End a run: no model is asked any more, and whoever waits gets the status `cancelled`."""
    settings = settings_for(data_dir)
    configure(settings, "cancel")
    with engines_for(settings) as urls:
        done = loop.run(_cancel(settings, urls, scrub(run)))
    if done is Cancelled.UNKNOWN:
        leave(Exit.NOT_FOUND, f"there is no run {plain(run, 80)!r}")
    if as_json:
        machine.tell({"run": run, "cancelled": done is Cancelled.DONE})
    elif done is Cancelled.DONE:
        console.print("cancelled")
    else:
        console.print("it had ended before; `cuelight show` tells how")


async def _cancel(settings: Settings, urls: EngineUrls, run: str) -> Cancelled:
    async with operating(settings, urls) as it:
        done = await it.cancels.cancel(run, None, "operator")
        try:
            if done is Cancelled.DONE:
                await it.streams.ended(run)
        except Transient as error:
            errors.print(f"Redis is away, so who waits hears of it later: {error}", markup=False, soft_wrap=True)
        return done
