"""How two accounts of one run are shown side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from io import StringIO
from itertools import zip_longest
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Column, Table
from rich.text import Text

from agent.cases import Case
from agent.cases.comparing import Difference, Section, sections
from agent.testing.replaying import Replayed
from cli.plain import plain, text

MOST_LINES = 400
"""Lines of a part that are shown; the case file has all of them."""
AROUND = 3
"""Lines that are shown around a change."""
ALONE = 5
"""Lines of either end that are shown of what only one side has."""
MOST_CHARS = 240
"""Of a line that two questions have in common."""
CHANGED = "yellow"
PAPER = 110
"""Columns of a report."""


def tell(console: Console, done: Replayed) -> None:
    """How a replay left the record: what was not on it, or what differs first, and then every part."""
    if done.missing is not None:
        unknown(console, f"not as recorded: {done.missing}", done.missing.unlike)
    show(console, done.then, done.now, done.difference)


def as_text(done: Replayed) -> str:
    """The same as plain text."""
    paper = StringIO()
    tell(Console(file=paper, width=PAPER, color_system=None, highlight=False), done)
    return paper.getvalue()


def unknown(console: Console, told: str, unlike: Sequence[str]) -> None:
    """A question that has no answer, and how it differs from the recorded one that is most like it."""
    console.print(text(told, "bold"), soft_wrap=True)
    styles = {"+": "green", "-": "red", "@": "dim"}
    for line in unlike[:MOST_LINES]:
        most = MOST_CHARS if line[:1] == " " else None
        console.print(text(line, styles.get(line[:1], ""), most), soft_wrap=True)
    if len(unlike) > MOST_LINES:
        console.print(f"… {len(unlike) - MOST_LINES} more lines", style="dim")


def show(console: Console, then: Case, now: Case, difference: Difference | None) -> None:
    """The first difference, and then every part that differs."""
    if difference is not None:
        console.print(Text(f"first difference: {plain(difference.what)}", style="bold"))
        console.print(side_by_side(difference.then, difference.now))
    for section in sections(then, now):
        console.print(_section(section))


def side_by_side(then: Sequence[str], now: Sequence[str]) -> Table:
    """Two columns of lines. What both have stands on the same row, and most of it is left out."""
    sides = (Column("then", ratio=1), Column("now", ratio=1))
    table = Table(*sides, box=None, header_style="dim", expand=True, padding=(0, 1))
    for before, after, same in _rows(then[:MOST_LINES], now[:MOST_LINES]):
        style = "dim" if same else CHANGED
        table.add_row(Text(plain(before), style=style), Text(plain(after), style=style))
    return table


def as_json(then: Case, now: Case, difference: Difference | None) -> dict[str, Any]:
    """The same for machines."""
    first = None if difference is None else {"what": difference.what, "then": difference.then, "now": difference.now}
    parts = {it.name: {"same": it.same, "then": it.then, "now": it.now} for it in sections(then, now)}
    return {"first_difference": first, "parts": parts}


def _section(section: Section) -> RenderableType:
    if section.same:
        return Text(f"{section.name}: the same", style="dim")
    return Group(Text(section.name, style="bold"), Panel(side_by_side(section.then, section.now), padding=0))


def _rows(then: Sequence[str], now: Sequence[str]) -> Iterable[tuple[str, str, bool]]:
    for what, start, end, now_start, now_end in SequenceMatcher(None, then, now, autojunk=False).get_opcodes():
        if what == "equal":
            yield from ((line, line, True) for line in _shortened(then[start:end]))
        else:
            before, after = then[start:end], now[now_start:now_end]
            if not (before and after):
                before, after = (_shortened(it, ALONE, "more lines") for it in (before, after))
            yield from ((one, other, False) for one, other in zip_longest(before, after, fillvalue=""))


def _shortened(lines: Sequence[str], around: int = AROUND, what: str = "lines are the same") -> Sequence[str]:
    if len(lines) <= 2 * around + 1:
        return lines
    return [*lines[:around], f"… {len(lines) - 2 * around} {what}", *lines[-around:]]
