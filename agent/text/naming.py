"""Names and dates, by their capital letters and their shape: no word lists. Scripts without case have no names here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent.text.spans import Span

_WORD = re.compile(r"(?<!\w)[^\W\d_]++(?:['’.‐‑-][^\W\d_]++)*+(?!\w)")
_OPENS = re.compile(r"[:;.!?…\"“„«»‘‹›(\[/*#|•–—-]\s*$")
"""What stands before a word that may be capitalised only because something begins with it."""
LEAST_LETTERS = 2
TITLE_CASE = 0.6
"""A line with such a share of them is a heading, which capitalises whatever it likes."""


class Name(NamedTuple):
    """Capitalised words that follow one another, and their place."""

    words: tuple[str, ...]
    place: Span


def names(sentence: str) -> Iterator[Name]:
    """The names of a sentence; its first word is none, nor is a word that something else begins with."""
    found = list(_WORD.finditer(sentence))
    if not found or _share(found) > TITLE_CASE:
        return
    held: list[re.Match[str]] = []
    for match in found[1:]:
        if held and not (_is_name(match[0]) and sentence[held[-1].end() : match.start()].isspace()):
            yield _name(held)
            held = []
        if _is_name(match[0]) and (held or not _OPENS.search(sentence, 0, match.start())):
            held.append(match)
    if held:
        yield _name(held)


def _name(held: Sequence[re.Match[str]]) -> Name:
    return Name(tuple(match[0] for match in held), Span(held[0].start(), held[-1].end()))


def _is_name(word: str) -> bool:
    return len(word) >= LEAST_LETTERS and word[0] != word[0].lower()


def _share(found: Sequence[re.Match[str]]) -> float:
    return sum(_is_name(match[0]) for match in found) / len(found)


class Date(NamedTuple):
    """A day, a month in words and a year, as they are written, and their place."""

    month: str
    day: str
    year: str
    place: Span


_DAY = r"(?<!\d)(?P<day>\d{1,2})(?:[^\W\d_]{1,3}|[.ºª])?"
_MONTH = r"(?P<month>[^\W\d_]{3,})\.?"
_SMALL = r"(?:[^\W\d_]{1,3}[ ])?"
_DATES = (
    re.compile(rf"{_DAY}[ ]{_SMALL}{_MONTH},?[ ]{_SMALL}(?P<year>\d{{4}})(?!\d)"),
    re.compile(rf"{_MONTH}[ ]{_DAY},?[ ]{_SMALL}(?P<year>\d{{4}})(?!\d)"),
)


def dates(text: str) -> Iterator[Date]:
    """Dates with a month in words: `6 June 1936`, `June 6, 1936`, `6 de junio de 1936`, `6. Juni 1936`."""
    for pattern in _DATES:
        for match in pattern.finditer(text):
            yield Date(match["month"], match["day"], match["year"], Span(*match.span()))
