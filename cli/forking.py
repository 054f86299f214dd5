"""`cuelight replay --what-if` and `--shadow`: a run forked in memory, beside the run as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import typer
from rich.console import Console

from agent.adapters.embedded import EngineUrls
from agent.cases import Case, TooLarge, written
from agent.cases.making import stamped
from agent.effects import AnyEffect, CallModel, Recall, Search
from agent.errors import Misconfigured
from agent.settings import Settings
from agent.testing.guard import LiveCall
from agent.testing.replaying.changes import Changes, Staged, staged
from agent.testing.replaying.forecast import forecast
from agent.testing.replaying.fork import Allowed, Forked, fork
from agent.testing.replaying.lines import Lines
from agent.testing.replaying.steps import Step
from cli import machine
from cli.case_of import agent_of, case_of, is_file, redaction_of
from cli.doors import doors
from cli.exits import Exit, errors, leave
from cli.find import attached, engines_for
from cli.forked import as_values, forecast_values, prices, tell, tell_forecast
from cli.plain import plain, text

console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """A fork as an operator wants it. In a `shadow` every call of a model is made; else new ones are, if `live`.

    With `search_again` passages are those of the library as it is now, even where the question is unchanged.
    """

    what: str
    shadow: bool
    changes: Changes
    generation: int | None = None
    step: str | None = None
    script: Path | None = None
    answers: tuple[str, ...] = ()
    live: bool = False
    search_again: bool = False
    tools: tuple[str, ...] = ()
    out: Path | None = None
    dry_run: bool = False
    as_json: bool = False

    @property
    def mode(self) -> str:
        return "shadow" if self.shadow else "what if"

    @property
    def asks(self) -> bool:
        """Whether it may ask the world at all."""
        return self.shadow or self.live


@dataclass(frozen=True, slots=True)
class Trial:
    """A case, and everything that it is forked with."""

    case: Case
    stage: Staged
    lines: Lines
    step: Step | None


def run(wish: Wish, settings: Settings) -> None:
    """Fork a run, and show both. Ends the command."""
    case = case_of(wish.what, settings, wish.generation)
    try:
        trial = _trial(case, wish, settings)
        if wish.dry_run:
            _forecast(trial, wish, settings)
            return
        done = _forked(trial, wish, settings)
    except Misconfigured as error:
        leave(Exit.REFUSED, plain(error))
    except LiveCall as error:
        leave(Exit.FAILED, plain(f"{error}: a step or a check of the agent does so by itself"))
    if wish.out is not None:
        _write(done, wish, settings)
    if unused := trial.lines.unused:
        told = f"{unused} of the lines of --answer and --script: no new question was asked that they are for"
        errors.print(text(told, "yellow"), soft_wrap=True)
    if wish.as_json:
        machine.tell(as_values(done, wish.mode, wish.changes.told()))
    else:
        tell(console, done, _title(trial, wish))
    if done.unanswered is not None:
        raise typer.Exit(Exit.FAILED)


def _trial(case: Case, wish: Wish, settings: Settings) -> Trial:
    there = settings.model_names()
    stage = staged(_with_models(case, there), wish.changes, there if wish.shadow else None)
    if wish.asks:
        _check(stage, wish, there)
    step = None if wish.step is None else Step.of(wish.step, case)
    return Trial(case, stage, Lines.load(wish.script, wish.answers), step)


def _with_models(case: Case, there: Sequence[str]) -> Case:
    """A run that ended before it asked a model names none: it would have asked those of the settings."""
    if case.agent.models:
        return case
    return case.model_copy(update={"agent": case.agent.model_copy(update={"models": tuple(there)})})


def _check(stage: Staged, wish: Wish, there: Sequence[str]) -> None:
    """Raises `Misconfigured` for a model or a tool that there is not."""
    unknown = [name for name in stage.models if name not in there]
    if unknown:
        raise Misconfigured(f"there is no model {unknown[0]!r} here; there is {', '.join(there)}: --model names one")
    tools = stage.bound.tools.tools
    for name in wish.tools:
        if name not in tools:
            raise Misconfigured(f"the agent has no tool {name!r}; it has {', '.join(tools) or 'none'}")


def _forecast(trial: Trial, wish: Wish, settings: Settings) -> None:
    found = asyncio.run(forecast(trial.case, trial.stage, trial.lines, _allowed(trial, wish), trial.step))
    if wish.as_json:
        machine.tell({"run": trial.case.run.id, "mode": wish.mode, **forecast_values(found, prices(settings))})
        return
    console.print(text(_title(trial, wish), "bold"), soft_wrap=True)
    tell_forecast(console, found, prices(settings), asks=wish.asks)


def _forked(trial: Trial, wish: Wish, settings: Settings) -> Forked:
    with _engines(wish, settings) as urls:
        return asyncio.run(_fork(trial, wish, settings, urls))  # Python's own loop: the guard sees through it


@contextmanager
def _engines(wish: Wish, settings: Settings) -> Iterator[EngineUrls | None]:
    """The ledger that may be read, where the world may be asked; a file can do without one."""
    if not wish.asks:
        yield None
    elif is_file(wish.what) and attached(settings) is None:
        if wish.search_again:
            raise Misconfigured("there is no ledger here to search: start `cuelight up`, or take --search recorded")
        yield None
    else:
        with engines_for(settings) as urls:
            yield urls


async def _fork(trial: Trial, wish: Wish, settings: Settings, urls: EngineUrls | None) -> Forked:
    async with _world(trial, wish, settings, urls) as allowed:
        return await fork(trial.case, trial.stage, trial.lines, allowed, trial.step)


@asynccontextmanager
async def _world(trial: Trial, wish: Wish, settings: Settings, urls: EngineUrls | None) -> AsyncIterator[Allowed]:
    if not wish.asks:
        yield Allowed()
        return
    async with doors(settings, urls, trial.stage.bound) as opened:
        live: frozenset[type[AnyEffect]] = frozenset({CallModel, *((Search, Recall) if urls else ())})
        allowed = _allowed(trial, wish)
        yield Allowed(opened, live, allowed.anew, allowed.tools, allowed.toolbox, allowed.refuses)


def _allowed(trial: Trial, wish: Wish) -> Allowed:
    """What is asked anew, and what is refused; through no doors yet."""
    anew: set[type[AnyEffect]] = {CallModel} if wish.shadow else set()
    if wish.search_again:
        anew.add(Search)
    toolbox = trial.stage.bound.tools.tools
    return Allowed(anew=frozenset(anew), tools=frozenset(wish.tools), toolbox=toolbox, refuses=wish.shadow)


def _title(trial: Trial, wish: Wish) -> str:
    here = "the code, the prompts and the models that are here" if wish.shadow else "the code that is here"
    changes = ", ".join(wish.changes.told()) or here
    where = "" if trial.step is None else f", from step {wish.step}"
    shown = "; its result is shown here and nowhere else" if wish.shadow else ""
    return f"{trial.case.run.id} {wish.mode}: {changes}{where}{shown}"


def _write(done: Forked, wish: Wish, settings: Settings) -> None:
    """The fork as a case of its own."""
    assert wish.out is not None  # noqa: S101  # the caller has looked
    note = f"{wish.mode} of {done.then.run.id}: {', '.join(wish.changes.told())}"
    redaction = redaction_of(settings, agent_of(settings, done.now.agent.name).agent, redact=False)
    case = stamped(done.now.model_copy(update={"note": note}), metadata.version("cuelight"), datetime.now(UTC))
    try:
        written(redaction(case), wish.out)
    except TooLarge as error:
        leave(Exit.FAILED, str(error))
    except OSError as error:
        leave(Exit.FAILED, f"{plain(wish.out)} cannot be written: {error.strerror}")
    errors.print(text(f"the fork is in {wish.out}"), soft_wrap=True)
