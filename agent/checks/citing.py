"""Which sentence of an answer stands on which citation, and where both of them are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from agent.checks.draft import Draft
from agent.checks.finding import MOST_ANSWER_CHARS, MOST_CITATIONS, MOST_QUOTE_CHARS, Words, passage_of
from agent.checks.matching import locate
from agent.events import Citation, Passage
from agent.text import Span, marks, numbers, rarity, sentences, tokens, without_marks

NUMBER_WEIGHT = 2.0
"""A number that a quote and a sentence share ties them together more than a word does."""
ENOUGH = 0.5
"""A quote that holds so much of a sentence, by weight, supports it."""


@dataclass(frozen=True, slots=True)
class Located:
    """A citation of a draft whose quote was found: `place` is where in the passage, `order` its number from 1."""

    order: int
    passage: Passage
    place: Span
    repaired: bool = False
    """Whether the model's words differed from the source's by a slip of the pen."""

    @property
    def quote(self) -> str:
        """Our own cut from the passage."""
        return self.place.of(self.passage.text)


Supports = Mapping[Span, Sequence[Located]]
"""By sentence of the answer, all of them and in order: the citations that it stands on."""


def cite(draft: Draft) -> tuple[Citation, ...]:
    """The citations of a draft with both their ends, in the order of the answer; neighbouring sentences share one.

    Quotes that are not in their passages are left out: the checks refuse them. The answer is not changed.
    """
    found = {(span.start, span.end, it.passage.id, it.place): (span, it) for it, span in _spans(supports(draft))}
    ordered = sorted(found.values(), key=lambda pair: (pair[0], pair[1].order))
    return tuple(_citation(it, span) for span, it in ordered)


def _spans(support: Supports) -> Sequence[tuple[Located, Span]]:
    """Each citation with the runs of sentences that it supports."""
    runs: list[tuple[Located, Span]] = []
    last: dict[int, tuple[int, int]] = {}
    for row, (span, located) in enumerate(support.items()):
        for it in located:
            before, run = last.get(it.order, (-2, 0))
            if before == row - 1:
                runs[run] = (it, Span(runs[run][1].start, span.end))
            else:
                run = len(runs)
                runs.append((it, span))
            last[it.order] = (row, run)
    return runs


def _citation(it: Located, span: Span) -> Citation:
    return Citation(
        answer_start=span.start,
        answer_end=span.end,
        passage_id=it.passage.id,
        document_id=it.passage.document_id,
        title=it.passage.title,
        source=it.passage.source,
        url=it.passage.url,
        passage_start=it.place.start,
        passage_end=it.place.end,
        quote=it.quote,
        repaired=it.repaired,
    )


def supports(draft: Draft) -> Supports:
    """Which citations each sentence of the answer stands on.

    A mark behind a sentence decides: `[p1]` names a passage, `[1]` the first citation (or else the passage `p1`). A
    citation without marks supports the sentence that shares most with its quote, rare words and numbers counting
    more; and every other one that shares a number with it or is half made of its words. Each supports at least one.
    """
    if draft.no_answer or not draft.answer or len(draft.answer) > MOST_ANSWER_CHARS:
        return {}
    rows = sentences(draft.answer) or [Span(0, len(draft.answer))]  # a lone sign can be an answer too
    texts = [row.of(draft.answer) for row in rows]
    shared = _Sentences([without_marks(text) for text in texts])
    marked = [frozenset(marks(text)) for text in texts]
    support: dict[Span, list[Located]] = {row: [] for row in rows}
    for it in _locate_all(draft):
        chosen = [n for n, names in enumerate(marked) if any(_names(name, it, draft) for name in names)]
        for n in chosen or shared.supported_by(it):
            support[rows[n]].append(it)
    return support


def _locate_all(draft: Draft) -> list[Located]:
    known: dict[str, Words] = {}
    found = []
    for order, cited in enumerate(draft.citations[:MOST_CITATIONS], start=1):
        passage = passage_of(draft, cited.passage_id)
        if passage is None or len(cited.quote) > MOST_QUOTE_CHARS:
            continue
        if passage.id not in known:
            known[passage.id] = Words(passage.text)
        located = located_in(known[passage.id], cited.quote)
        if located is not None:
            found.append(Located(order, passage, *located))
    return found


def located_in(passage: Words, quote: str) -> tuple[Span, bool] | None:
    """Where a quote stands in a passage, and whether it had to be repaired.

    With as much of the punctuation around it as both of them have.
    """
    words = Words.on_one_line(quote)
    found = locate(passage, words)
    if found is None:
        return None
    status, place = found
    head, tail = words.text[: words.tokens[0].start], words.text[words.tokens[-1].end :]
    before, after = passage.text[: place.start], passage.text[place.end :]
    around = Span(place.start - _common(head[::-1], before[::-1]), place.end + _common(tail, after))
    return around, status == "repaired"


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common from their start, not counting white space at the end of these."""
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return len(one[:same].rstrip())


def _names(mark: str, it: Located, draft: Draft) -> bool:
    if mark.startswith("p"):
        return it.passage.label == mark
    if int(mark) <= len(draft.citations):
        return it.order == int(mark)
    return it.passage.label == f"p{mark}"


class _Sentences:
    """The answer's sentences as words, each word with what it tells about where in the answer we are."""

    def __init__(self, texts: Sequence[str]) -> None:
        words = [frozenset(token.text for token in tokens(text)) for text in texts]
        rare = {word: told * _factor(word) for word, told in rarity(words).items()}
        self._weights = [{word: rare[word] for word in row} for row in words]
        self._numbers = [numbers(text) for text in texts]

    def supported_by(self, it: Located) -> list[int]:
        """Which of the sentences, counted from 0, a citation supports; at least one."""
        quote = {token.text for token in tokens(it.quote)}
        counted = numbers(it.quote)
        # fsum: a sum that hangs on the order of a set would not be the same in the next process
        scores = [fsum(weight for word, weight in row.items() if word in quote) for row in self._weights]
        best = max(scores)
        if best == 0:  # nothing in common, as in an answer in another language: models cite in the answer's order
            return [min(it.order, len(scores)) - 1]
        return [
            n
            for n, (score, row) in enumerate(zip(scores, self._weights, strict=True))
            if score == best or score >= ENOUGH * fsum(row.values()) or self._numbers[n] & counted
        ]


def _factor(word: str) -> float:
    return NUMBER_WEIGHT if any(map(str.isnumeric, word)) else 1.0
