"""Words and numbers: what of a text must be equal for two texts to say the same."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from math import log
from typing import NamedTuple

from agent.text.folding import fold, shape


class Token(NamedTuple):
    """A word, a number or a sign that counts, folded (`text`), and its place in the text as it was given.

    `start` and `end` are code points. Where one character holds two words, both have its place.
    """

    text: str
    start: int
    end: int


_TOKEN = re.compile(  # reads shapes, see `folding.shape`
    r"""
    (?: (?<![LMDNS-]) - (?=D) )?             # -5, but neither 1990-1995 nor --5
    (?: L M*+
      | (?: (?<![LD.,:/^']) D{1,3} (?: [ ] D{3} (?!D) )++ | D++ ) M*+    # 10 000 is neither 10 nor 000
        (?: [.,:/^'] (?=D) | N++ )?          # 3.5 is not 35, 6½ is not 6
    )++
    (?: [+\#]{1,2} (?![LMDNS+\#]) )?         # C++ is not C
    | S M*+ | N M*+ | [$*%] M*+              # 5 % is not 5 $
    | [<>=] M++                              # decomposed signs: ≠ is not =
    | (?<![<>=+~]) [<>=+~]++ (?= [ $-]{0,3} D )    # < 5 is not > 5; elsewhere these are markup
    """,
    re.VERBOSE,
)


REMEMBERED_CHARS = 2_000
"""No passage is longer. The checks of one draft, and the drafts of one run, read the same texts again and again."""


def tokens(text: str) -> tuple[Token, ...]:
    """The words of a text in its order: equal ones have an equal `text`, whatever their case, width or ligatures.

    A number keeps its sign, separators and fractions (`-1,000.5`, `10 000` and `6½` are one token each), so that a
    changed number is never an equal one. Currency, percent and mathematical signs are tokens, other punctuation is
    not. Characters of scripts without blanks between words are a token each; hidden characters do not count.
    """
    return _remembered(text) if len(text) <= REMEMBERED_CHARS else _tokens(text)


def _tokens(text: str) -> tuple[Token, ...]:
    folded, places = fold(text)
    spans = (match.span() for match in _TOKEN.finditer(shape(folded)))
    return tuple(Token(_word(folded[start:end]), places[start], places[end - 1] + 1) for start, end in spans)


_remembered = lru_cache(maxsize=256)(_tokens)


def _word(piece: str) -> str:
    return piece.replace(" ", "'") if piece.isascii() else unicodedata.normalize("NFC", piece.replace(" ", "'"))


# Thousands set apart: 1,000.5 and 1'000 are 1000.5 and 1000. A single group behind a point is a decimal fraction.
_GROUPED = re.compile(r"-?[1-9]\d{0,2}(?:(?:,\d{3})+(?:\.\d+)?|(?:'\d{3})+(?:[.,]\d+)?|(?:\.\d{3}){2,}(?:,\d+)?)")


def numbers(text: str) -> frozenset[str]:
    """The numbers of a text in a form to compare: in ASCII, without the letters around them and without grouping."""
    return frozenset(number for number, _, _ in places_of_numbers(text))


def places_of_numbers(text: str) -> list[tuple[str, int, int]]:
    """The numbers of a text in its order, each with the place of the word that holds it."""
    if not any(map(str.isnumeric, text)):
        return []
    folded, places = fold(text)
    found = (match for match in _TOKEN.finditer(shape(folded)) if "D" in match[0] or "N" in match[0])
    return [
        (number, places[match.start()], places[match.end() - 1] + 1)
        for match in found
        for number in _numbers_of(_word(folded[match.start() : match.end()]))
    ]


def _numbers_of(word: str) -> Iterator[str]:
    kept = "".join(char if char in ".,:/^'-" or (char.isnumeric() and not char.isalpha()) else " " for char in word)
    for part in kept.split():
        number = part.rstrip(".,:/^'-").lstrip(".,:/^'")
        if number:
            yield _ungrouped(number)


def _ungrouped(number: str) -> str:
    if not _GROUPED.fullmatch(number):
        return number
    separator = next(char for char in number if char in ",.'")
    return number.replace(separator, "")


def width(text: str) -> int:
    """Length in columns of a terminal: a syllable or an ideograph of East Asia says as much as two letters."""
    return len(text) + sum(unicodedata.east_asian_width(char) in "WF" for char in text)


def rarity(texts: Sequence[Set[str]]) -> Mapping[str, float]:
    """How much each word of these texts tells: from almost nothing, for one that all of them hold, upwards."""
    held = Counter(word for words in texts for word in words)
    return {word: log(1 + (len(texts) - times + 0.5) / (times + 0.5)) for word, times in held.items()}
