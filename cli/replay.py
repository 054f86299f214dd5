"""`cuelight replay`: a run, or a case, once more, in one of four modes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agent.cases import Case
from agent.errors import Misconfigured
from agent.letters import Filter
from agent.settings import Settings
from agent.testing.guard import LiveCall
from agent.testing.replaying import Replayed
from agent.testing.replaying import replay as replayed
from agent.testing.replaying.changes import Changes
from agent.testing.replaying.settable import Setting
from agent.wording import counted
from cli import machine
from cli.case_of import case_of
from cli.choosing import Kind, OlderThan, Route, YoungerThan, letters_of
from cli.comparing import as_json as parts
from cli.comparing import tell
from cli.exits import Exit, leave
from cli.find import DataDir, settings_for
from cli.logs import configure
from cli.plain import plain, text
from cli.settling import All, Detach, How, Rate, Yes, choose

console = Console(highlight=False)


class Mode(StrEnum):
    """What is done with it. Only two of them can make a live call: a shadow, and what if with `--live`."""

    AS_RECORDED = "--as-recorded"
    WHAT_IF = "--what-if"
    SHADOW = "--shadow"
    RE_DRIVE = "--re-drive"


class Searches(StrEnum):
    """Where passages come from: from the record where the question is unchanged, or from the library as it is now."""

    RECORDED = "recorded"
    LIVE = "live"


FORKS = (Mode.WHAT_IF, Mode.SHADOW)
MODES: Mapping[str, tuple[Mode, ...]] = {
    "--generation": (Mode.AS_RECORDED, *FORKS),
    **dict.fromkeys(["--prompt", "--model", "--set", "--from-step", "--script", "--answer", "--tool", "--out"], FORKS),
    "--live": (Mode.WHAT_IF,),
    "--search": (Mode.SHADOW,),
    **dict.fromkeys(
        ["--route", "--kind", "--older-than", "--younger-than", "--all", "--yes", "--rate", "--detach"],
        (Mode.RE_DRIVE,),
    ),
}
"""Options that not every mode has."""


def replay(
    what: Annotated[str | None, typer.Argument(help="The response's id, or a case file.")] = None,
    recorded: Annotated[
        bool, typer.Option("--as-recorded", help="Every answer and error as it was; nothing calls out.")
    ] = False,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="With something changed; what is unchanged is answered as it was.")
    ] = False,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="With what is here and the real model; nobody else sees the result.")
    ] = False,
    re_drive: Annotated[
        bool, typer.Option("--re-drive", help="A failed run, by the service, as its next generation.")
    ] = False,
    agent: Annotated[str | None, typer.Option(help="module:attribute; for --re-drive the agent's name.")] = None,
    prompt: Annotated[str | None, typer.Option(help="A prompt's folder, a template, or name@version.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="In place of its models; repeat for a chain.")] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="path=value, such as budget.repairs=0.")] = None,
    from_step: Annotated[
        str | None, typer.Option(help="An event's number, or a route: before it all is as it was.")
    ] = None,
    script: Annotated[Path | None, typer.Option(help="JSON lines: what is said to new questions.")] = None,
    answer: Annotated[list[str] | None, typer.Option(help="What the model says to a new question; repeat.")] = None,
    live: Annotated[bool, typer.Option("--live", help="New questions are asked for real, and cost money.")] = False,
    search: Annotated[
        Searches, typer.Option(help="Of a shadow: on record where it is unchanged, or as it is now.")
    ] = Searches.RECORDED,
    tools: Annotated[list[str] | None, typer.Option("--tool", help="A tool that only reads: it is called.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Keep the fork as a case.")] = None,
    route: Route = None,
    kind: Kind = None,
    older_than: OlderThan = None,
    younger_than: YoungerThan = None,
    everything: All = False,
    yes: Yes = False,
    rate: Rate = None,
    detach: Detach = False,
    generation: Annotated[int | None, typer.Option(help="Which generation of a run; the newest by default.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell how many calls there would be, and their cost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Run a run again, and show it beside the run as it was. Only a shadow, and --live, call anything."""
    mode = _mode({Mode.AS_RECORDED: recorded, Mode.WHAT_IF: what_if, Mode.SHADOW: shadow, Mode.RE_DRIVE: re_drive})
    _check(
        mode,
        {
            **{"--generation": generation, "--prompt": prompt, "--model": model, "--set": sets, "--out": out},
            **{"--from-step": from_step, "--script": script, "--answer": answer, "--tool": tools, "--live": live},
            **{"--search": search is Searches.LIVE, "--route": route, "--kind": kind, "--older-than": older_than},
            **{"--younger-than": younger_than, "--all": everything, "--yes": yes, "--rate": rate, "--detach": detach},
        },
    )
    settings = settings_for(data_dir)
    configure(settings, "replay")
    if mode is Mode.RE_DRIVE:
        chosen = letters_of(route, kind, agent, _run(what), older_than, younger_than)
        _re_drive(_letters(chosen, what, everything=everything), settings, How(dry_run, yes, rate, detach, as_json))
    elif what is None:
        leave(Exit.USAGE, "say what: a response's id, or a case file")
    elif mode is Mode.AS_RECORDED:
        _as_recorded(case_of(what, settings, generation), agent, dry_run=dry_run, as_json=as_json)
    elif tools and not (live or mode is Mode.SHADOW):
        leave(Exit.USAGE, "--tool calls a tool for real: that takes --live, or --shadow")
    else:
        from cli import forking  # the clients of models take longer to import than all the rest

        wish = forking.Wish(
            what,
            mode is Mode.SHADOW,
            _changes(agent, prompt, model, sets),
            generation=generation,
            step=from_step,
            script=script,
            answers=tuple(answer or ()),
            live=live,
            search_again=search is Searches.LIVE,
            tools=tuple(tools or ()),
            out=out,
            dry_run=dry_run,
            as_json=as_json,
        )
        forking.run(wish, settings)


def _changes(
    agent: str | None, prompt: str | None, models: Sequence[str] | None, settings: Sequence[str] | None
) -> Changes:
    try:
        return Changes(agent, prompt or "", tuple(models or ()), tuple(map(Setting.of, settings or ())))
    except Misconfigured as error:
        leave(Exit.USAGE, plain(error))


def _re_drive(chosen: Filter, settings: Settings, how: How) -> None:
    from cli import redriving

    redriving.run(chosen, settings, how)


def _letters(chosen: Filter, what: str | None, *, everything: bool) -> Filter:
    """The dead letters that are meant: by a run, by one's own id, by filters, or all."""
    return choose(chosen, [what] if what is not None and chosen.run is None else None, everything)


def _mode(given: Mapping[Mode, bool]) -> Mode:
    chosen = [mode for mode, wanted in given.items() if wanted]
    if len(chosen) != 1:
        leave(Exit.USAGE, f"say how, in one way: {', '.join(Mode)}")
    return chosen[0]


def _check(mode: Mode, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if value not in (None, False, []) and mode not in MODES[name]:
            leave(Exit.USAGE, f"{name} is for {' and '.join(MODES[name])}, and not for {mode}")


def _run(what: str | None) -> str | None:
    """The run that is to be driven again; None where a dead letter is named, or nothing."""
    if what is not None and what.endswith(".json"):
        leave(Exit.USAGE, "a case is a copy: name the run in this ledger that is to be driven again")
    return None if what is None or "/" in what else what


def _as_recorded(case: Case, agent: str | None, *, dry_run: bool, as_json: bool) -> None:
    if dry_run:
        _tell_questions(case, as_json=as_json)
        return
    try:
        done = asyncio.run(replayed(case, agent))  # Python's own loop: the guard that nothing calls out sees through it
    except Misconfigured as error:
        leave(Exit.REFUSED, str(error))
    except LiveCall as error:
        leave(Exit.FAILED, f"{error}: a step or a check of the agent does so by itself")
    _tell_machine(done) if as_json else _tell(done)
    if not done.as_recorded:
        raise typer.Exit(Exit.FAILED)


def _tell_questions(case: Case, *, as_json: bool) -> None:
    count = len(case.asked())
    if as_json:
        machine.tell({"dry_run": True, "run": case.run.id, "recorded": count, "calls": 0, "cost_usd": 0})
    else:
        told = f"{case.run.id} as recorded: {count} questions have their answers on record; no calls, and 0 USD"
        console.print(text(f"{told}; nothing was done"), soft_wrap=True)


def _tell(done: Replayed) -> None:
    if done.as_recorded:
        events, attempts = counted(len(done.now.events), "event"), counted(len(done.now.attempts), "attempt")
        told = f"as recorded: {events}, {attempts}, {done.now.ending.type}"
        console.print(text(f"{done.then.run.id} {told}"), soft_wrap=True)
    else:
        tell(console, done)


def _tell_machine(done: Replayed) -> None:
    told: dict[str, Any] = {"run": done.then.run.id, "as_recorded": done.as_recorded}
    told["missing"] = None if done.missing is None else {"what": str(done.missing), "unlike": done.missing.unlike}
    machine.tell(told | parts(done.then, done.now, done.difference))
