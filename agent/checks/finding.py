"""Finding words in passages, word for word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from agent.checks.draft import Draft
from agent.events import Passage
from agent.text import Span, Token, sentences, tokens, width

MOST_ANSWER_CHARS = 100_000
MOST_CITATIONS = 64
MOST_QUOTE_CHARS = 4_000
"""What is longer is refused unread, so that no draft takes long to check."""

LEAST_WORDS = 3
LEAST_WIDTH = 12
"""A shorter quote stands in too many texts by chance to say anything."""


class Words:
    """A text as its words, which can be searched."""

    def __init__(self, text: str, words: Sequence[Token] | None = None) -> None:
        self.text = text
        self.tokens: Sequence[Token] = tokens(text) if words is None else words
        self.folded: tuple[str, ...] = tuple(token.text for token in self.tokens)
        self._line = _line(self.folded)

    @classmethod
    def on_one_line(cls, text: str) -> Words:
        """Without line breaks and runs of blanks, which would part the groups of a long number."""
        return cls(" ".join(text.split()))

    @cached_property
    def sentences(self) -> list[Words]:
        """The text's sentences; the places in each count from its own start."""
        return [Words(span.of(self.text)) for span in sentences(self.text)]

    def find(self, words: Sequence[str]) -> Span | None:
        """The first place where `words` stand one directly after the other; None if there is none."""
        first = next(self.places(words), None)
        return None if first is None else self.span(first, len(words))

    def places(self, words: Sequence[str]) -> Iterator[int]:
        """Where `words` stand one directly after the other: the numbers of their first tokens, from 0."""
        line, at, first, counted = _line(words), -1, 0, 0
        while words and (at := self._line.find(line, at + 1)) >= 0:
            first, counted = first + self._line.count(" ", counted, at), at
            yield first

    def span(self, first: int, count: int) -> Span:
        """Where `count` tokens from number `first` on stand."""
        return Span(self.tokens[first].start, self.tokens[first + count - 1].end)

    def is_short(self) -> bool:
        """Whether these words are too few to be found by anything but chance."""
        if len(self.tokens) < LEAST_WORDS:
            return True
        return width(self.text[self.tokens[0].start : self.tokens[-1].end]) < LEAST_WIDTH


def _line(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def passage_of(draft: Draft, name: str) -> Passage | None:
    """The passage that a citation names by its label or its id, or None."""
    by_label = next((passage for passage in draft.passages if passage.label == name), None)
    return by_label or next((passage for passage in draft.passages if passage.id == name), None)


def says_enough(passage: Words, quote: Words) -> bool:
    """Whether a quote that stands in a passage is long enough to be meant, or a whole sentence of it."""
    return not quote.is_short() or any(sentence.folded == quote.folded for sentence in passage.sentences)


def shortened(text: str, most_chars: int = 80) -> str:
    """The text on one line, its end left out where it is longer than `most_chars`."""
    line = " ".join(text[: 4 * most_chars].split())
    return line if len(line) <= most_chars and len(text) <= 4 * most_chars else f"{line[: most_chars - 1]}…"
