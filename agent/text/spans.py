"""Sentences, quotations and citation marks, found by their punctuation alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """A piece of a text, in code points."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """The piece itself."""
        return text[self.start : self.end]


# All patterns here read hostile text: possessive, or anchored so that no character is looked at again and again.
_MARK = r"\[p?\d{1,3}(?:[ ]?[,;][ ]?p?\d{1,3})*+\]"
_MARKS = re.compile(_MARK)
_LEAD = re.compile(r"[ \t]*+(?:>[ \t]*+)*+(?:(?:[-*+•‣–]|\d{1,3}[.)]|#{1,6})[ \t]++)?(?:\[[ xX]\][ \t]++)?")
_FENCE = re.compile(r"[ \t>]*+(?:```|~~~)")
_END = re.compile(
    rf"""(?: (?<![.!?…؟۔।॥։።፧]) (?P<spaced> [.!?…؟۔।॥։።፧]++ ) | [。！？｡．]++ )
         ["'”’»›)\]}}*_」』）】]*+ (?: [ \t]?+ {_MARK} )*+ (?(spaced) (?=\s|$) )""",
    re.VERBOSE,
)
_SHORT = re.compile(r"(?:^|[\s.(])(?:[^\W\d_]|[BCDFGHJKLMNPQRSTVWXZ][bcdfghjklmnpqrstvwxz]{1,3}|(?<!\.)\d{1,2})\.$")
"""Before a dot that ends no sentence: `J.`, `U.S.`, `Dr.`, and the ordinals of many languages (`3.`)."""
_NUMBERED = re.compile(r"(?:^|[\s.(])[^\W\d_]{1,4}\.$")
"""The same before a number: `No. 5`, `Fig. 3`."""
_DATED = re.compile(
    r"\b(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|January|February|April|June|July|August|September|October"
    r"|November|December|(?<=\w[ ])(?:March|May))\b"
)
"""At the start of a sentence `March` and `May` are verbs more often than months."""
_SHORT_CHARS = 8
_NEXT = re.compile(r"""[\s"'“‘«»„(\[*_]*+(.)""", re.DOTALL)
_LONG_LINE_CHARS = 60
"""A line this long was wrapped by an editor if the next one goes on without a marker."""


def sentences(text: str) -> list[Span]:
    """The sentences of a text in its order, without the white space and list markers around them.

    One ends with its punctuation (and closing quotes, brackets and citation marks), or with its paragraph, list item,
    heading or table row; not with the dot of a number, of a single letter or of an abbreviation without vowels.
    Pieces without a letter or a digit, or with nothing but citation marks, are no sentences.
    """
    return [span for block in _blocks(text) for span in _split(text, block)]


def _blocks(text: str) -> Iterator[Span]:
    """Paragraphs, and whatever is a line of its own; lines that an editor wrapped are put together."""
    start = end = 0
    before = ""
    in_code = False
    for at, line in _lines(text):
        fence = _FENCE.match(line) is not None
        lead = _lead(line)
        if not (fence or in_code) and _goes_on(before, line, lead):
            end, before = at + len(line), line
            continue
        yield Span(start, end)
        in_code = in_code != fence
        start, end = at + lead, at + len(line)
        before = "" if fence or in_code else line
    yield Span(start, end)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.splitlines(keepends=True):
        yield at, line.rstrip()
        at += len(line)


def _lead(line: str) -> int:
    """The length of a line's indentation and marker."""
    lead = _LEAD.match(line)
    return lead.end() if lead else 0


def _goes_on(before: str, line: str, lead: int) -> bool:
    """Whether `line` is the rest of the sentence or paragraph that `before` started."""
    if not before or not line[lead:] or line[:lead].strip(" \t>") or line[lead] == "|":
        return False
    opened = before.lstrip()[0]
    if opened in "|#" or (">" in line[:lead] and opened != ">"):
        return False
    return line[lead].islower() or len(before) >= _LONG_LINE_CHARS


def _split(text: str, block: Span) -> Iterator[Span]:
    start = block.start
    for match in _END.finditer(text, *block):
        if match["spaced"] is None or _is_end(text, start, match, block.end):
            yield from _trimmed(text, start, match.end())
            start = match.end()
    yield from _trimmed(text, start, block.end)


def _is_end(text: str, start: int, match: re.Match[str], end: int) -> bool:
    following = _NEXT.match(text, match.end(), end)
    first = following[1] if following else ""
    if first.islower():
        return False
    dot = match.start()
    if match["spaced"] != ".":
        return True
    word = text[max(start, dot - _SHORT_CHARS) : dot + 1]
    return not (_SHORT.search(word) or (first.isnumeric() and _NUMBERED.search(word)))


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    if any(map(str.isalnum, without_marks(piece))):
        yield Span(end - len(piece.lstrip()), start + len(piece.rstrip()))


def marks(sentence: str) -> list[str]:
    """What the citation marks of a sentence name: `["1", "p2"]` for `… in 1936 [1, p2].`"""
    return [name.strip() for mark in _MARKS.findall(sentence) for name in re.split("[,;]", mark[1:-1])]


def without_marks(text: str) -> str:
    """The text with blanks in place of its citation marks: every other character stays where it was."""
    return _MARKS.sub(lambda mark: " " * len(mark[0]), text)


_QUOTED = re.compile('"[^"]+"|“[^“”]+”|„[^„“”]+[“”]|«[^«»]+»|»[^«»]+«|‹[^‹›]+›|「[^「」]+」|『[^『』]+』')


def quotations(text: str) -> list[str]:
    """The words that a text puts in quotation marks, without these; single quotes are apostrophes too often."""
    return [quoted[1:-1] for quoted in _QUOTED.findall(text)]


def is_claim(sentence: str) -> bool:
    """Whether a sentence says something that can be looked up: a number in any script, a date, or a quotation.

    A date without a number is known by an English name of a month or a day.
    """
    said = without_marks(sentence)
    numbered = any(unicodedata.category(char)[0] == "N" for char in said)
    return numbered or bool(_QUOTED.search(said) or _DATED.search(said))
