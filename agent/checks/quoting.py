"""What became of each quote of a draft, as data, and the check that refuses those that do not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice

from agent.checks.draft import Draft, grounding
from agent.checks.finding import (
    LEAST_WIDTH,
    LEAST_WORDS,
    MOST_CITATIONS,
    MOST_QUOTE_CHARS,
    Words,
    passage_of,
    says_enough,
    shortened,
)
from agent.checks.matching import Match, is_stitched, locate
from agent.events import Evidence, Passage

MOST_PROBLEMS = 8
NEAR = 0.6
"""From this similarity on (0 to 1, by words), a sentence is shown as the one that was probably meant."""
NEAR_WORDS = 200


@dataclass(frozen=True, slots=True)
class QuoteVerdict:
    """What became of the citation number `order` (from 1), which names the passage `named`; None if that is unknown."""

    order: int
    quote: str
    named: Passage | None
    match: Match

    @property
    def evidence(self) -> Evidence:
        """Where the quote is, and where the words that it stands for are."""
        passage, place = self.match.passage or self.named, self.match.place
        return Evidence(
            status=self.match.status,
            start=0,
            end=len(self.quote),
            citation=self.order,
            passage_id=passage.id if passage else None,
            passage_start=place.start if place else None,
            passage_end=place.end if place else None,
        )


def quote_verdicts(draft: Draft) -> Sequence[QuoteVerdict]:
    """The verdict on each of the first 64 quotes, in their order."""
    return _Library(draft).verdicts()


@grounding
def quotes_are_found(draft: Draft) -> Iterator[str | Evidence]:
    """Every quote stands word for word in the passage that it names, and is long enough to mean it.

    Case, white space, punctuation, ligatures and hidden characters may differ, and one letter inside a word: what a
    client reads is the passage's own text. Words, their order, numbers and names may not.
    """
    library = _Library(draft)
    given = library.verdicts()
    yield from (it.evidence for it in given)
    wrong = (it for it in given if not it.match.holds and it.named is not None)  # `passages_exist` refuses the others
    yield from islice((library.why(it) for it in wrong), MOST_PROBLEMS)


class _Library:
    """The passages of a draft, each read once and only if it is needed."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._words: dict[str, Words] = {}

    def verdicts(self) -> Sequence[QuoteVerdict]:
        cited = enumerate(self._draft.citations[:MOST_CITATIONS], start=1)
        named = [(order, it.quote, passage_of(self._draft, it.passage_id)) for order, it in cited]
        return [QuoteVerdict(order, quote, passage, self._judged(passage, quote)) for order, quote, passage in named]

    def _read(self, text: str) -> Words:
        if text not in self._words:
            self._words[text] = Words(text)
        return self._words[text]

    def _judged(self, named: Passage | None, said: str) -> Match:
        """What became of a quote of a passage."""
        if named is None:
            return Match("unknown_passage")
        if len(said) > MOST_QUOTE_CHARS:
            return Match("not_found")
        quote = Words.on_one_line(said)
        here = self._match(named, quote)
        if here is not None:
            return here
        if quote.is_short():
            return Match("too_short")
        found = (self._match(other, quote) for other in self._draft.passages if other is not named)
        home = next((match for match in found if match is not None), None)
        if home is not None:
            return Match("misattributed", home.passage, home.place)
        every = [self._read(passage.text) for passage in self._draft.passages]
        return Match("stitched" if is_stitched(every, quote) else "not_found")

    def _match(self, passage: Passage, quote: Words) -> Match | None:
        words = self._read(passage.text)
        found = locate(words, quote)
        if found is None or not says_enough(words, quote):
            return None
        return Match(found[0], passage, found[1])

    def why(self, verdict: QuoteVerdict) -> str:
        """What is wrong with a quote, in words for the model."""
        said, label = shortened(verdict.quote), verdict.named.label if verdict.named else ""
        if len(verdict.quote) > MOST_QUOTE_CHARS:
            return f'the quote "{said}" is longer than {MOST_QUOTE_CHARS:,} characters'
        if verdict.match.status == "too_short":
            least = f"{LEAST_WORDS} words and {LEAST_WIDTH} characters"
            return f'the quote "{said}" of {label} is too short; quote at least {least} of it'
        if verdict.match.status == "misattributed" and verdict.match.passage:
            home = verdict.match.passage.label
            return f'the quote "{said}" does not stand in {label} but in {home}; cite that one'
        if verdict.match.status == "stitched":
            return f'the quote "{said}" is put together from pieces that stand apart; quote each piece by itself'
        meant = self._nearest(verdict)
        hint = f'; it says "{shortened(meant, 160)}"' if meant else ""
        return f'the quote "{said}" does not stand word for word in {label}{hint}'

    def _nearest(self, verdict: QuoteVerdict) -> str | None:
        """The sentence of the passage that is most like the quote, if one is like it at all."""
        if verdict.named is None:
            return None
        quote = Words.on_one_line(verdict.quote)
        wanted = set(quote.folded)
        sentences = self._read(verdict.named.text).sentences
        best = max(sentences, key=lambda it: _likeness(wanted, it), default=None)
        if best is None:
            return None
        matcher = SequenceMatcher(None, quote.folded[:NEAR_WORDS], best.folded[:NEAR_WORDS], autojunk=False)
        return best.text if matcher.ratio() >= NEAR else None


def _likeness(wanted: set[str], sentence: Words) -> float:
    return len(wanted.intersection(sentence.folded)) / (len(wanted) + len(sentence.folded) + 1)
