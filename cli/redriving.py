"""`cuelight replay --re-drive`: failed runs driven again by the service, and what came of it beside what was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import connect_reading
from agent.adapters.ledger.story import story
from agent.cases import Case, Unexportable
from agent.cases.comparing import first_event
from agent.letters import Filter, Verdict
from agent.settings import Settings
from agent.wording import counted
from cli import loop, machine
from cli.case_of import cases_of
from cli.comparing import as_json as parts
from cli.comparing import show
from cli.exits import Exit, errors
from cli.find import attached
from cli.plain import plain, text, usd
from cli.settling import How, as_values, settled, tell_verdicts, worst_of

LOOK_EVERY_S = 0.1
GRACE_S = 5.0
"""How long after its deadline a run may still be ended by the relay."""

console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Driven:
    """A run before and after; without `now` it had not ended, or may not be shown, and `why` says which."""

    run: str
    then: Case | None = None
    now: Case | None = None
    why: str = ""


def run(chosen: Filter, settings: Settings, how: How) -> None:
    """Have the service drive failed runs again as their next generations, wait for their ends, and show both."""
    verdicts = settled("replay", chosen, settings, how)
    if verdicts is None:
        return
    if not how.as_json:
        tell_verdicts("replay", verdicts)
    driven = [] if how.detach else _driven(settings, [it for it in verdicts if it.refused is None])
    if how.as_json:
        machine.tell({**as_values("replay", verdicts), "runs": [_values(it) for it in driven]})
    else:
        tell(console, driven)
    if worst := worst_of("replay", verdicts):
        raise typer.Exit(worst)
    if not verdicts or any(it.now is None for it in driven):
        raise typer.Exit(Exit.FAILED)


def _driven(settings: Settings, verdicts: Sequence[Verdict]) -> Sequence[Driven]:
    urls = attached(settings) if verdicts else None
    if urls is None:
        if verdicts:
            errors.print("no service runs here: they are driven when one does", style="yellow", soft_wrap=True)
        return []
    errors.print(
        f"waiting for {counted(len(verdicts), 'run')} to end; Ctrl-C leaves them under way", style="dim", soft_wrap=True
    )
    ended = loop.run(_ends(urls, verdicts))
    return [_sides(settings, it, ended=it.run in ended) for it in verdicts]


async def _ends(urls: EngineUrls, verdicts: Sequence[Verdict]) -> frozenset[str | None]:
    """Those of these runs that came to their end within their time."""
    pool = await connect_reading(urls.database_url, most=2)
    try:
        found = await asyncio.gather(*(_ended(pool, it.run or "") for it in verdicts))
        return frozenset(it.run for it, ended in zip(verdicts, found, strict=True) if ended)
    finally:
        await pool.close()


async def _ended(pool: Any, run: str) -> bool:
    while (told := await story(pool, run)) is not None:
        if told.ended:
            return True
        if (datetime.now(UTC) - told.run["deadline"]).total_seconds() > GRACE_S:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
    return False


def _sides(settings: Settings, it: Verdict, *, ended: bool) -> Driven:
    run, generation = it.run or "", it.generation or 1
    if not ended:
        return Driven(run, why="it has not ended in time: is a worker running?")
    try:
        then, now = cases_of(run, settings, [generation - 1, generation])
    except Unexportable as error:
        return Driven(run, why=str(error))
    return Driven(run, then, now)


def tell(console: Console, driven: Sequence[Driven]) -> None:
    """One run with everything side by side; of several a line each."""
    for it in driven:
        if it.now is None:
            errors.print(text(f"{it.run}: {it.why}", "yellow"), soft_wrap=True)
    sides = [(it.then, it.now) for it in driven if it.then is not None and it.now is not None]
    if len(sides) == 1:
        ((then, now),) = sides
        console.print(text(f"{now.run.id}: {_end(then)} then, {_end(now)} now"), soft_wrap=True)
        show(console, then, now, first_event(then, now))
    elif sides:
        console.print(_table(sides))


def _table(sides: Sequence[tuple[Case, Case]]) -> Table:
    table = Table("run", "then", "now", "calls", "cost", box=None, header_style="dim", padding=(0, 1))
    for then, now in sides:
        calls, cost = now.cost.calls - then.cost.calls, _between(then, now)
        table.add_row(text(now.run.id), text(_end(then)), text(_end(now)), f"+{calls}", text(cost))
    return table


def _between(then: Case, now: Case) -> str:
    if now.cost.cost_usd is None or then.cost.cost_usd is None:
        return usd(None)
    return f"+{usd(now.cost.cost_usd - then.cost.cost_usd)}"


def _end(case: Case) -> str:
    data = case.ending.data if isinstance(case.ending.data, dict) else {}
    code = data.get("code")
    return f"{case.run.status}{f' ({plain(code, 40)})' if code else ''}"


def _values(it: Driven) -> dict[str, Any]:
    if it.then is None or it.now is None:
        return {"run": it.run, "why": it.why}
    sides = {"then": _end(it.then), "now": _end(it.now)}
    return {"run": it.run, "ending": sides, **parts(it.then, it.now, first_event(it.then, it.now))}
