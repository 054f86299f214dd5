"""`cuelight evaluate`: a data set through the real chain, scored, and compared with an earlier time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from agent.adapters.embedded import EngineUrls
from agent.evaluation import (
    BadDataset,
    Comparison,
    Draw,
    Gate,
    NotAReport,
    Report,
    breaches,
    compare,
    dumped,
    gate,
)
from agent.evaluation import read as read_dataset
from agent.evaluation.report import read as read_report
from agent.jobs import Job
from agent.ports import DEFAULT_PROJECT
from agent.settings import Settings
from cli import loop, machine, scoreboard
from cli.bulk import push
from cli.evaluating import Asked, begin, collect, settle
from cli.exits import Exit, errors, leave
from cli.find import DataDir, attached, settings_for
from cli.granting import dollars
from cli.logs import configure
from cli.plain import plain
from cli.watching import watch_job, words

console = Console(highlight=False)
SEED = 1
"""Always the same: two evaluations have one comparison."""
MOST_AT_ONCE = 256


def evaluate(
    file: Annotated[Path, typer.Argument(help="The data set: one JSON object on a line, see docs/evaluation.md.")],
    agent: Annotated[str | None, typer.Option(help="Who answers; the first configured agent by default.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="In place of the agent's models; repeat for a chain.")] = None,
    project: Annotated[str, typer.Option(help="The project whose runs these are.")] = DEFAULT_PROJECT,
    at_once: Annotated[int, typer.Option(min=1, max=MOST_AT_ONCE, help="Runs that are open together.")] = 8,
    most_usd: Annotated[str | None, typer.Option(help="Open no more runs once they cost so much; 2.50.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; NAME.evaluation.json by default.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="The tables as Markdown, into this file.")] = None,
    against: Annotated[Path | None, typer.Option("--compare", help="The file of an earlier evaluation.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(help="METRIC or `any`: exit 1 if it is surely worse; METRIC:0.02 if by more than that. Repeat."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait; the same command tells how it went.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Evaluation and comparison as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Ask the running service every question of a data set, in the background, and score the answers."""
    settings = settings_for(data_dir)
    configure(settings, "evaluate")
    gates = _gates(fail_on or (), against)
    try:
        dataset = read_dataset(file)
        before = None if against is None else read_report(against)
    except (BadDataset, NotAReport) as error:
        leave(Exit.USAGE, _told(error))
    if (urls := attached(settings)) is None:
        leave(Exit.REFUSED, f"no service runs in {settings.data_dir}: start `cuelight up` in another terminal")
    asked = Asked(dataset, agent, tuple(model or ()), project, at_once, None if most_usd is None else dollars(most_usd))
    report = _evaluated(settings, urls, asked, detach=detach)
    found = None if before is None else compare(before, report, _draw())
    why = () if found is None else breaches(gates, found)
    _tell(Told(report, found, why), Paper(out or Path(f"{file.stem}.evaluation.json"), markdown), as_json=as_json)
    loop.run(settle(settings, urls, report.evaluation))
    raise typer.Exit(Exit.FAILED if why else Exit.OK)


@dataclass(frozen=True, slots=True)
class Paper:
    """Where it is written to."""

    out: Path
    markdown: Path | None


@dataclass(frozen=True, slots=True)
class Told:
    """An evaluation, beside an earlier one if there is one, and why it does not pass."""

    report: Report
    comparison: Comparison | None
    breaches: Sequence[str]

    def sheets(self) -> Sequence[scoreboard.Sheet]:
        """As tables."""
        ours = scoreboard.sheets(self.report, _draw())
        return [*ours, *(scoreboard.sheets_of(self.comparison) if self.comparison else ())]


def _draw() -> Draw:
    return random.Random(SEED).random  # noqa: S311  # a bootstrap, and it has to come out the same again


def _gates(words: Sequence[str], against: Path | None) -> Sequence[Gate]:
    if words and against is None:
        leave(Exit.USAGE, "--fail-on judges a comparison: name the earlier evaluation with --compare")
    try:
        return [gate(word) for word in words]
    except ValueError as error:
        leave(Exit.USAGE, f"--fail-on {error}")


def _told(error: Exception) -> str:
    return "\n".join(map(plain, str(error).split("\n")))


def _evaluated(settings: Settings, urls: EngineUrls, asked: Asked, *, detach: bool) -> Report:
    """What became of all lines. Ends the command where they have not all ended."""
    try:
        begun = loop.run(begin(settings, urls, asked))
    except BadDataset as error:
        leave(Exit.USAGE, _told(error))
    id = begun.evaluation.id
    if begun.job is not None:
        push(settings, urls, begun.job)
        errors.print(f"{id} {'begins' if begun.new else 'goes on'} with {begun.job.id}", soft_wrap=True)
        job = None if detach else watch_job(settings, urls, begun.job.id)
        if job is None or job.state != "done":
            _leave_open(id, job)
    elif not begun.new:
        errors.print(f"{id} has ended meanwhile: nothing is asked again", soft_wrap=True)
    return loop.run(collect(settings, urls, asked, begun))


def _leave_open(id: str, job: Job | None) -> NoReturn:
    if job is not None and job.ended:
        leave(Exit.FAILED, f"{id}: {plain(words(job))}; the same command goes on with it")
    errors.print(f"the same command tells how {id} went", soft_wrap=True)
    raise typer.Exit(Exit.FAILED if job is not None else Exit.OK)


def _tell(told: Told, paper: Paper, *, as_json: bool) -> None:
    sheets = told.sheets()
    _write(paper.out, dumped(told.report))
    if paper.markdown is not None:
        why = [f"**Does not pass:** {line}\n" for line in told.breaches]
        _write(paper.markdown, "\n".join([*why, scoreboard.markdown(sheets)]).encode())
    if as_json:
        machine.tell(_values(told))
    else:
        scoreboard.show(console, sheets)
    errors.print(f"written to {plain(paper.out)}", markup=False, soft_wrap=True)
    for line in told.breaches:
        errors.print(f"does not pass: {line}", markup=False, soft_wrap=True)


def _write(path: Path, text: bytes) -> None:
    try:
        path.write_bytes(text)
    except OSError as error:
        leave(Exit.FAILED, f"{plain(path)} cannot be written: {error.strerror}; the same command tries again for free")


def _values(told: Told) -> dict[str, Any]:
    found = told.comparison
    beside = found and {
        "then": found.then.evaluation,
        "same_dataset": found.same_dataset,
        "shared": found.shared,
        "changed": found.changed,
        "differences": [{**asdict(it), "change": it.change, "verdict": it.verdict} for it in found.differences],
        "worse": found.turned,
        "breaches": told.breaches,
    }
    report = told.report.model_dump(mode="json")
    return {"evaluation": report, "failures": told.report.failures, "comparison": beside}
