"""`cuelight dead replay` and `cuelight dead discard`: an operator decides what becomes of dead letters."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from agent.adapters.embedded import EngineUrls
from agent.envelope import scrub
from agent.jobs import of_letters
from agent.letters import REASONS, Filter, Place, Refusal, Tally, Verdict
from agent.settings import Settings
from agent.wording import counted as numbered
from cli import loop, machine
from cli.bulk import hand_over
from cli.choosing import AgentName, Kind, OlderThan, Route, Run, YoungerThan, letters_of
from cli.exits import Exit, errors, leave
from cli.find import DataDir, engines_for, settings_for
from cli.logs import configure
from cli.operating import Operating, operating
from cli.plain import text, usd
from cli.reading import operator

console = Console(highlight=False)

Act = Literal["replay", "discard"]
DONE: dict[str, str] = {"replay": "replayed", "discard": "discarded"}
BATCH = 100
HANDFUL = 20
"""So many letters are settled by the command itself; more of them by a job, unless they were named one by one."""

Ids = Annotated[list[str] | None, typer.Argument(help="Dead letters by id; or choose them with the filters.")]
All = Annotated[bool, typer.Option("--all", help="Every open dead letter: needed when no filter is given.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell how many there are and what it may cost.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Rate = Annotated[float | None, typer.Option(min=0.01, help="As a job, at so many letters a second.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait for the end of the job.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def replay(
    ids: Ids = None,
    route: Route = None,
    kind: Kind = None,
    agent: AgentName = None,
    run: Run = None,
    older_than: OlderThan = None,
    younger_than: YoungerThan = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    rate: Rate = None,
    detach: Detach = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Run failed work again, as the next generation of the same response. Answers on record are not paid again."""
    chosen = choose(letters_of(route, kind, agent, run, older_than, younger_than), ids, everything)
    settle("replay", chosen, settings_for(data_dir), How(dry_run, yes, rate, detach, as_json))


def discard(
    ids: Ids = None,
    route: Route = None,
    kind: Kind = None,
    agent: AgentName = None,
    run: Run = None,
    older_than: OlderThan = None,
    younger_than: YoungerThan = None,
    everything: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    rate: Rate = None,
    detach: Detach = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Settle dead letters without running anything again. They stay on record."""
    chosen = choose(letters_of(route, kind, agent, run, older_than, younger_than), ids, everything)
    settle("discard", chosen, settings_for(data_dir), How(dry_run, yes, rate, detach, as_json))


@dataclass(frozen=True, slots=True)
class How:
    """How an operator wants it done. `rate` is in letters per second."""

    dry_run: bool
    yes: bool
    rate: float | None
    detach: bool
    as_json: bool


def settle(act: Act, chosen: Filter, settings: Settings, how: How) -> None:
    """Tell, ask, do, and tell again: a handful at once, more of them as a job."""
    verdicts = settled(act, chosen, settings, how)
    if verdicts is None:
        return
    if how.as_json:
        machine.tell(as_values(act, verdicts))
    else:
        tell_verdicts(act, verdicts)
    if chosen.ids is not None and (worst := worst_of(act, verdicts)):
        raise typer.Exit(worst)


def settled(act: Act, chosen: Filter, settings: Settings, how: How) -> Sequence[Verdict] | None:
    """Tell, ask, and do. None if it was only to be told; a job for many of them ends the command."""
    configure(settings, "dead")
    with engines_for(settings) as urls:
        tally = loop.run(_tally(settings, urls, chosen))
        if how.dry_run:
            _tell_tally(act, tally, as_json=how.as_json)
            return None
        if not how.yes and sys.stdin.isatty() and (tally.count or chosen.ids):
            _confirm(act, tally)
        if tally.count and (how.rate is not None or (chosen.ids is None and tally.count > HANDFUL)):
            wish = of_letters(chosen, how.rate)
            hand_over(settings, urls, act, wish, tally.count, detach=how.detach, as_json=how.as_json)
        return loop.run(_settle(settings, urls, act, chosen))


def choose(chosen: Filter, ids: Sequence[str] | None, everything: bool) -> Filter:
    """Which letters are meant. Leaves unless it was said, in one way."""
    filtered = chosen != Filter()
    if sum((bool(ids), filtered, everything)) > 1:
        leave(Exit.USAGE, "give ids, or filters, or --all: only one of them")
    if not ids and not filtered and not everything:
        leave(Exit.USAGE, "say which dead letters: ids, filters such as --kind, or --all")
    return replace(chosen, ids=tuple(dict.fromkeys(map(scrub, ids)))) if ids else chosen


async def _tally(settings: Settings, urls: EngineUrls, chosen: Filter) -> Tally:
    async with operating(settings, urls) as it:
        return await it.letters.tally(chosen)


async def _settle(settings: Settings, urls: EngineUrls, act: Act, chosen: Filter) -> Sequence[Verdict]:
    async with operating(settings, urls) as it:
        if chosen.ids is not None:
            return await _settle_ids(it, act, chosen.ids)
        verdicts: list[Verdict] = []
        place: Place | None = None
        while letters := await it.letters.letters(chosen, BATCH, place):
            verdicts += await _settle_ids(it, act, [letter.id for letter in letters])
            place = (letters[-1].created_at, letters[-1].id)
        return verdicts


async def _settle_ids(it: Operating, act: Act, ids: Sequence[str]) -> Sequence[Verdict]:
    verdicts: list[Verdict] = []
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        done = await (it.letters.replay if act == "replay" else it.letters.discard)(part, operator())
        await it.publish(done)
        verdicts += done
    return verdicts


def worst_of(act: Act, verdicts: Sequence[Verdict]) -> Exit:
    """What a script gets to know: one id that is not there, or that could not be settled in this way."""
    harmless = {None, Refusal.REPLAYED if act == "replay" else Refusal.DISCARDED}
    refused = {verdict.refused for verdict in verdicts} - harmless
    if Refusal.UNKNOWN in refused:
        return Exit.NOT_FOUND
    return Exit.FAILED if refused else Exit.OK


def _confirm(act: Act, tally: Tally) -> None:
    errors.print(text(_words(act, tally)), soft_wrap=True)
    typer.confirm(f"{act} them?", abort=True, err=True)


def _words(act: Act, tally: Tally) -> str:
    letters = numbered(tally.count, "open dead letter")
    if act == "discard":
        return letters
    cost = f"their runs have cost {usd(tally.spent_usd)}; running them again may cost {usd(tally.estimate_usd)}"
    return f"{letters}, {tally.replayable} of them can be replayed; {cost}"


def _tell_tally(act: Act, tally: Tally, *, as_json: bool) -> None:
    if as_json:
        machine.tell({"dry_run": True, "act": act, "tally": tally})
    else:
        console.print(text(f"{_words(act, tally)}; nothing was done"), soft_wrap=True)


def counted(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many were left alone, by reason."""
    return dict(Counter(str(it.refused) for it in verdicts if it.refused is not None))


def as_values(act: Act, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What became of them, for machines."""
    done = sum(it.refused is None for it in verdicts)
    return {DONE[act]: done, "refused": counted(verdicts), "verdicts": [_values(it) for it in verdicts]}


def tell_verdicts(act: Act, verdicts: Sequence[Verdict]) -> None:
    """What became of them, line by line."""
    done = [it for it in verdicts if it.refused is None]
    for it in verdicts:
        console.print(text(f"{it.letter}: {_verdict(act, it)}"), soft_wrap=True)
    if not verdicts:
        console.print("no open dead letter is like that: nothing was done", style="dim")
    elif len(verdicts) > 1:
        console.print(f"{len(done)} {DONE[act]}, {len(verdicts) - len(done)} left as they are")


def _verdict(act: Act, it: Verdict) -> str:
    if it.refused is None:
        return f"replayed as generation {it.generation} of {it.run}" if act == "replay" else "discarded"
    return f"{REASONS[it.refused]} (by {it.settled_by})" if it.settled_by else REASONS[it.refused]


def _values(it: Verdict) -> dict[str, Any]:
    names = ("letter", "refused", "run", "generation", "settled_by")
    return {name: getattr(it, name) for name in names}
