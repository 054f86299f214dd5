"""Evaluations for people: the same sheets on a terminal and in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from agent.evaluation import METRICS, QUALITY, Comparison, Difference, Draw, Interval, Report, interval, mean, quantile
from agent.evaluation.statistics import LEAST
from cli.plain import plain, text

MOST_ROWS = 20
"""Lines of a data set that are named."""
STYLES = {"better": "green", "worse": "red", "same": "dim", "unclear": "dim"}
MOST_CHARS = 80
NUMBERS = ("lines", "mean", "then", "now", "change")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table. Title and cells are hostile: ids and names that somebody chose. `notes` are sentences of ours."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())


def sheets(report: Report, draw: Draw) -> Iterator[Sheet]:
    """What an evaluation came to."""
    yield _about(report)
    yield _scores(report, draw)
    yield _facts(report)
    if report.failures:
        yield Sheet("no answer", ("reason", "lines"), [(why, str(count)) for why, count in report.failures.items()])
    if short := _short(report):
        yield _cut("lines that fell short", ("line", "score", "run"), short)


def sheets_of(found: Comparison) -> Iterator[Sheet]:
    """How two evaluations compare."""
    columns = ("metric", "lines", "then", "now", "change", "95 %", "verdict")
    title = f"{found.now.evaluation} beside {found.then.evaluation}"
    yield Sheet(title, columns, [_difference(it) for it in found.differences], list(_common(found)))
    if found.turned:
        rows = [(it.id, it.metric, f"{it.then:.2f}", f"{it.now:.2f}", it.run) for it in found.turned]
        yield _cut("lines that are worse", ("line", "score", "then", "now", "run"), rows)


def show(console: Console, all: Sequence[Sheet]) -> None:
    """On a terminal."""
    for sheet in all:
        console.print()
        console.print(text(sheet.title, "bold"))
        table = Table(box=None, header_style="dim", pad_edge=False)
        for name in sheet.columns:
            justify: JustifyMethod = "right" if name in NUMBERS else "left"
            table.add_column(name, overflow="fold", justify=justify, no_wrap=name == "run")
        for row in sheet.rows:
            table.add_row(*(text(cell, STYLES.get(cell, ""), MOST_CHARS) for cell in row))
        console.print(table)
        for note in sheet.notes:
            console.print(Text(note, style="yellow"), soft_wrap=True)


def markdown(all: Sequence[Sheet]) -> str:
    """In Markdown, as GitHub and GitLab read it: nothing that somebody else chose is markup, a mention or a link."""
    return "\n".join(_markdown(sheet) for sheet in all)


def _markdown(sheet: Sheet) -> str:
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in sheet.rows]
    head = ["| " + " | ".join(sheet.columns) + " |", "|" + " --- |" * len(sheet.columns)]
    notes = [f"\n**{note}**" for note in sheet.notes]
    return "\n".join([f"### {_cell(sheet.title)}\n", *head, *rows, *notes, ""])


_HARMLESS = re.compile(r"[A-Za-z0-9 .,%+_?()-]*")


def _cell(value: str) -> str:
    """A cell. What is not plainly harmless stands as code, in which no markup works."""
    cut = plain(value, MOST_CHARS)
    if _HARMLESS.fullmatch(cut) and "_" not in cut:
        return cut
    longest = max((len(run) for run in re.findall("`+", cut)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if cut.startswith("`") or cut.endswith("`") else ""
    return f"{fence}{pad}{cut}{pad}{fence}".replace("|", "\\|")


def _about(report: Report) -> Sheet:
    agent, data = report.agent, report.dataset
    models = ", ".join(agent.models) + (" (no language model: the built-in one)" if agent.offline else "")
    rows = [
        ("data set", f"{data.name}  {data.hash[:12]}"),
        ("lines", str(data.lines)),
        ("agent", f"{agent.name}@{agent.version}"),
        ("models", models),
        ("project", agent.project),
    ]
    return Sheet(report.evaluation, ("", "what"), rows)


def _scores(report: Report, draw: Draw) -> Sheet:
    found = [(name, values) for name in QUALITY if (values := report.values(name))]
    rows = [(name, str(len(it)), f"{mean(it):.3f}", _within(interval(it, draw))) for name, it in found]
    few = f"Fewer than {LEAST} lines have no interval." if report.dataset.lines < LEAST else ""
    return Sheet("scores", ("score", "lines", "mean", "95 %"), rows, [few] if few else ())


def _facts(report: Report) -> Sheet:
    lines, latency = report.lines, report.values("latency_s")
    priced = f"{report.cost_usd.normalize():f}" if report.unpriced < len(lines) else "unknown"
    rows = [
        ("latency p50, p95", f"{quantile(latency, 0.5):.3f} s, {quantile(latency, 0.95):.3f} s" if latency else "none"),
        ("cost, USD", priced),
        ("lines of unknown cost", str(report.unpriced)),
        ("tokens in, out", f"{sum(it.input_tokens for it in lines)}, {sum(it.output_tokens for it in lines)}"),
        ("calls of models", str(sum(it.calls for it in lines))),
        ("repairs", str(sum(it.repairs for it in lines))),
        ("without an answer", str(sum(report.failures.values()))),
    ]
    unknown = report.unpriced and "The cost is not the whole one: of some lines nobody knows it."
    return Sheet("facts", ("", "what"), rows, [unknown] if unknown and report.unpriced < len(lines) else ())


def _short(report: Report) -> Sequence[Sequence[str]]:
    """Lines with a score below 1, those first that lack most."""
    found = []
    for line in report.lines:
        low = {name: value for name, value in line.scores.items() if value < 1}
        if low:
            told = line.code or ", ".join(f"{name} {value:.2f}" for name, value in low.items())
            found.append((sum(1 - value for value in low.values()), (line.id, told, line.run)))
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]


def _cut(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Sheet:
    left = len(rows) - MOST_ROWS
    return Sheet(title, columns, rows[:MOST_ROWS], [f"{left} more stand in the file."] if left > 0 else ())


def _difference(it: Difference) -> Sequence[str]:
    sign = "+" if it.change >= 0 else ""
    change = f"{sign}{it.change:.4g}"
    return it.metric, str(it.lines), f"{it.then:.4g}", f"{it.now:.4g}", change, _within(it.interval), it.verdict


def _within(found: Interval | None) -> str:
    return "" if found is None or found.low == found.high else f"{found.low:.3g} to {found.high:.3g}"


def _common(found: Comparison) -> Iterator[str]:
    """What may not be overlooked when the two are compared."""
    if not found.same_dataset:
        counts = f"{found.shared} lines are the same in both and are compared"
        other = f"{found.changed} changed, {len(found.now.lines) - found.shared - found.changed} are new"
        gone = len(found.then.lines) - found.shared - found.changed
        yield f"These are not evaluations of the same data set: {counts}; {other}, {gone} are gone."
    if unlike := {it for it in METRICS if bool(found.then.values(it)) != bool(found.now.values(it))}:
        yield f"Only one of them has {', '.join(sorted(unlike))}."
    unpriced = [it.unpriced for it in (found.then, found.now)]
    if any(unpriced):
        yield f"The cost is unknown of {unpriced[0]} lines then and of {unpriced[1]} now; only known ones are compared."
