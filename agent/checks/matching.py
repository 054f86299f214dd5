"""What became of a quote that a draft says stands in a passage: one of a few verdicts, with its place in the source.

A quote is found where its words stand one after the other. A slip of the pen is repaired, which means that the source's
own words are shown in its place: a hyphen more or less, or one wrong letter inside one long word. Never a number, a
name (a capitalised word of the source), or a word that is another word of the passage.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.checks.finding import Words
from agent.events import EvidenceStatus, Passage
from agent.text import Span, Token

LEAST_REPAIRED_WORDS = 5
"""A shorter quote with a wrong letter is too little to know what was meant."""
LEAST_REPAIRED_CHARS = 5
"""Of a word with a wrong letter. In shorter ones one letter makes too often another word: now, not."""
LEAST_PIECE_WORDS = 3
MOST_PIECES = 4
MOST_STITCHED_WORDS = 200


@dataclass(frozen=True, slots=True)
class Match:
    """A verdict on a quote. `passage` is where its words stand, `place` where in it; None if they do not."""

    status: EvidenceStatus
    passage: Passage | None = None
    place: Span | None = None

    @property
    def holds(self) -> bool:
        """Whether the quote may be shown, as the source has it."""
        return self.status in ("found", "repaired")


def locate(passage: Words, quote: Words) -> tuple[EvidenceStatus, Span] | None:
    """Where the words of a quote stand in a passage, and whether they had to be repaired; None if they do not."""
    place = passage.find(quote.folded)
    if place is not None:
        return "found", place
    place = _rejoined(passage, quote) or _misspelt(passage, quote)
    return None if place is None else ("repaired", place)


def is_stitched(passages: Sequence[Words], quote: Words) -> bool:
    """Whether a quote is put together from a few pieces that stand apart from one another, each word for word."""
    words, start, pieces = quote.folded[:MOST_STITCHED_WORDS], 0, 0
    while start < len(words):
        length = max((_longest(passage, words[start:]) for passage in passages), default=0)
        if length < LEAST_PIECE_WORDS:
            return False
        start, pieces = start + length, pieces + 1
    return 1 < pieces <= MOST_PIECES


def _longest(passage: Words, words: Sequence[str]) -> int:
    """How many of the first of these words stand in a passage together."""
    return bisect_left(range(1, len(words) + 1), True, key=lambda count: passage.find(words[:count]) is None)


def _rejoined(passage: Words, quote: Words) -> Span | None:
    """The place of a quote that differs in hyphens, those at the ends of lines among them."""
    here, there = list(_joined(quote)), list(_joined(passage))
    if len(here) == len(quote.tokens) and len(there) == len(passage.tokens):
        return None
    joined = Words(passage.text, [Token(text, first.start, last.end) for text, first, last in there])
    return joined.find([text for text, _, _ in here])


def _joined(words: Words) -> Iterator[tuple[str, Token, Token]]:
    """The words of a text, those that a hyphen ties together as one: its letters, its first and its last token."""
    held: list[Token] = []
    for token, follower in pairwise([*words.tokens, None]):
        if token is None:
            continue
        held.append(token)
        if follower is None or not _tied(words.text[token.end : follower.start], token, follower):
            yield "".join(it.text for it in held), held[0], held[-1]
            held = []


def _tied(between: str, one: Token, other: Token) -> bool:
    """A hyphen, or one at the end of a line, between letters: `1990-1995` are two numbers."""
    hyphen, rest = between[:1], between[1:]
    apart = hyphen not in ("-", "\u2010", "\u2011") or (rest != "" and (rest.strip() != "" or "\n" not in rest))
    return not apart and _is_word(one.text) and _is_word(other.text)


def _misspelt(passage: Words, quote: Words) -> Span | None:
    """The place of a quote with one wrong letter. One half of it stands there as it is, so that is looked for."""
    words = quote.folded
    if len(words) < LEAST_REPAIRED_WORDS:
        return None
    half = len(words) // 2
    for offset, part in ((0, words[:half]), (half, words[half:])):
        for at in passage.places(part):
            first = at - offset
            if first >= 0 and _differs_by_a_slip(passage, first, words):
                return passage.span(first, len(words))
    return None


def _differs_by_a_slip(passage: Words, first: int, words: Sequence[str]) -> bool:
    there = passage.folded[first : first + len(words)]
    if len(there) < len(words):
        return False
    wrong = [n for n, (said, meant) in enumerate(zip(words, there, strict=True)) if said != meant]
    if len(wrong) != 1:
        return False
    said, meant = words[wrong[0]], passage.tokens[first + wrong[0]]
    is_name = passage.text[meant.start].isupper()
    return not is_name and said not in passage.folded and _is_slip(said, meant.text)


def _is_slip(said: str, meant: str) -> bool:
    """One letter wrong, missing or too much; neither the first nor the last, which inflect. Two in another order make
    too often another word: trial, trail."""
    if min(len(said), len(meant)) < LEAST_REPAIRED_CHARS or not (_is_word(said) and _is_word(meant)):
        return False
    head = next((n for n, (a, b) in enumerate(zip(said, meant, strict=False)) if a != b), 0)
    one, other = said[head:], meant[head:]
    if head == 0 or said[-1] != meant[-1]:  # the first letter, or the last ones
        return False
    return one[1:] == other[1:] or one[1:] == other or one == other[1:]


def _is_word(text: str) -> bool:
    return not any(map(str.isnumeric, text)) and any(map(str.isalpha, text))
