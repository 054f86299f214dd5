"""A document's text into passages: along its structure, word for word, with their places."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from agent.adapters.retrieval.records import Piece

TARGET_CHARS = 900
MOST_CHARS = 1_600
SMALL_CHARS = 200
"""A passage shorter than this is joined with its neighbour, even past the target."""

MOST_MARKS = 32
"""A character with more marks than this is nobody's writing, and is cut wherever it happens."""


class Span(NamedTuple):
    """A piece of a text, in code points."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table or piece of code. `lines` says that it falls apart at line ends before sentence ends."""

    span: Span
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks that follow each other under one heading; nothing between them is left out of a passage."""

    heading: str
    blocks: Sequence[Block]


_LINE = re.compile(r"\n+")
_SENTENCE = re.compile(
    r"(?<![.!?…؟۔।॥])[.!?…؟۔।॥]++[\"'”’»)\]]*+\s++"  # a blank tells an end from a dot in 3.5
    r"|(?<![。！？｡．။។።])[。！？｡．။។።]++[\"”’」』）】]*+\s*+"
)
_BLANK = re.compile(r"[\s\u200b]+")
_BY_LINES = (_LINE, _SENTENCE, _BLANK)
_BY_SENTENCES = (_SENTENCE, _LINE, _BLANK)


def split(text: str, sections: Sequence[Section]) -> tuple[Piece, ...]:
    """Passages of about `TARGET_CHARS`, never above `MOST_CHARS`, in the order of the text and never overlapping."""
    pieces = []
    for section in sections:
        for span in _packed(_atoms(text, section.blocks)):
            trimmed = _trimmed(text, span)
            if trimmed.size:
                pieces.append(Piece(text[trimmed.start : trimmed.end], *trimmed, section.heading))
    return tuple(pieces)


def paragraphs(text: str, within: Span | None = None) -> list[Block]:
    """The blocks of a text that has no structure but blank lines."""
    start, end = within or Span(0, len(text))
    blocks: list[Block] = []
    opened = place = start
    for line in [*text[start:end].splitlines(keepends=True), ""]:
        if not line.strip():
            if place > opened:
                blocks.append(Block(Span(opened, place)))
            opened = place + len(line)
        place += len(line)
    return blocks


def _atoms(text: str, blocks: Sequence[Block]) -> list[Span]:
    """What is packed: whole blocks, and parts of those that are too large."""
    return [atom for block in blocks for atom in _cut(text, block.span, _BY_LINES if block.lines else _BY_SENTENCES)]


def _cut(text: str, span: Span, boundaries: Sequence[re.Pattern[str]]) -> Iterator[Span]:
    """Parts of at most `MOST_CHARS`: cut at the first kind of boundary, what is still too large at the next."""
    if span.size <= MOST_CHARS:
        yield span
    elif not boundaries:
        yield from _hard(text, span)
    else:
        ends = [match.end() for match in boundaries[0].finditer(text, span.start, span.end)]
        for start, end in pairwise(dict.fromkeys((span.start, *ends, span.end))):
            yield from _cut(text, Span(start, end), boundaries[1:])


def _hard(text: str, span: Span) -> Iterator[Span]:
    """A text without any boundary, cut where no character is taken from its marks."""
    start = span.start
    while span.end - start > MOST_CHARS:
        end = start + TARGET_CHARS
        while end > start + TARGET_CHARS - MOST_MARKS and _joined(text[end - 1], text[end]):
            end -= 1
        yield Span(start, end)
        start = end
    yield Span(start, span.end)


def _joined(left: str, right: str) -> bool:
    return unicodedata.category(right)[0] == "M" or "\u200d" in (left, right)


def _packed(atoms: Sequence[Span]) -> list[Span]:
    packed: list[Span] = []
    for number, atom in enumerate(atoms, 1):
        if packed and _fits(packed[-1], atom, last=number == len(atoms)):
            packed[-1] = Span(packed[-1].start, atom.end)
        else:
            packed.append(atom)
    return packed


def _fits(piece: Span, atom: Span, *, last: bool) -> bool:
    size = atom.end - piece.start
    if size <= TARGET_CHARS:
        return True
    return size <= MOST_CHARS and (piece.size < SMALL_CHARS or (last and atom.size < SMALL_CHARS))


def _trimmed(text: str, span: Span) -> Span:
    """Without blank lines before it and white space after it; the indentation of its first line stays."""
    piece = text[span.start : span.end]
    left = len(piece) - len(piece.lstrip())
    indentation = left - (piece.rfind("\n", 0, left) + 1)
    end = span.start + len(piece.rstrip())
    return Span(min(span.start + left - indentation, end), end)
