"""The checks of an answer that has to stand on passages. No model judges here: only words are compared.

That a quote stands in its source is necessary and not sufficient: whether a sentence follows from its quote is beyond
these checks, but a number, a quotation or a source that was made up is not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice

from agent.checks.citing import Located, supports
from agent.checks.draft import Cited, Draft, grounding
from agent.checks.finding import (
    LEAST_WIDTH,
    LEAST_WORDS,
    MOST_ANSWER_CHARS,
    MOST_CITATIONS,
    MOST_QUOTE_CHARS,
    Words,
    holds,
    passage_of,
    shortened,
)
from agent.events import Passage
from agent.text import is_claim, marks, numbers, quotations, without_marks

MOST_PROBLEMS = 8
NEAR = 0.6
"""From this similarity on (0 to 1, by words), a sentence is shown as the one that was probably meant."""
NEAR_WORDS = 200


def answers_something(draft: Draft) -> Iterator[str]:
    """The answer is not blank, unless the draft says that there is none, and not longer than 100,000 characters."""
    if len(draft.answer) > MOST_ANSWER_CHARS:
        yield f"the answer is longer than {MOST_ANSWER_CHARS:,} characters; be shorter"
    elif not draft.no_answer and not any(map(_is_visible, draft.answer)):
        yield "the answer is empty"


def citations_are_given(draft: Draft) -> Iterator[str]:
    """An answer has at least one citation and at most 64; no answer has none."""
    if draft.no_answer and draft.citations:
        yield "no_answer is true, so citations must be empty"
    elif not draft.no_answer and not draft.citations:
        yield "the answer has no citation: quote the passages that it stands on, or set no_answer to true"
    elif len(draft.citations) > MOST_CITATIONS:
        yield f"there are more than {MOST_CITATIONS} citations; give the best ones"


@grounding
def passages_exist(draft: Draft) -> Iterator[str]:
    """Every citation, and every mark like [p1] in the answer, names a passage that was given."""
    labels = ", ".join(passage.label for passage in draft.passages[:20]) or "none, there are no passages"
    named = (cited.passage_id for cited in draft.citations[:MOST_CITATIONS])
    unknown = dict.fromkeys(name for name in named if passage_of(draft, name) is None)
    for name in islice(unknown, MOST_PROBLEMS):
        yield f'there is no passage "{shortened(name)}"; cite one of: {labels}'
    marked = dict.fromkeys(name for name in marks(draft.answer[:MOST_ANSWER_CHARS]) if name.startswith("p"))
    for name in islice((name for name in marked if passage_of(draft, name) is None), MOST_PROBLEMS):
        yield f"the answer is marked [{name}], but there is no such passage"


@grounding
def quotes_are_found(draft: Draft) -> Iterator[str]:
    """Every quote stands word for word in the passage that it names, and is long enough to mean it.

    Case, white space, punctuation, ligatures and hidden characters may differ; words, their order and numbers not.
    """
    library = _Library(draft)
    problems = (library.problem_with(cited) for cited in draft.citations[:MOST_CITATIONS])
    yield from islice((problem for problem in problems if problem), MOST_PROBLEMS)


@grounding
def claims_are_cited(draft: Draft) -> Iterator[str]:
    """Every sentence with a number or a quotation stands on a citation whose passage has these too.

    Not where the draft says that there is no answer, nor where it is so long that `answers_something` refuses it.
    """
    support = supports(draft)
    library = _Library(draft)
    problems = (library.problem_of(span.of(draft.answer), located) for span, located in support.items())
    yield from islice((problem for problem in problems if problem), MOST_PROBLEMS)


GROUNDED = (answers_something, citations_are_given, passages_exist, quotes_are_found, claims_are_cited)
"""All of them, in the order in which their problems are told."""


class _Library:
    """The passages of a draft, read once each and only if they are needed."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._words: dict[str, Words] = {}
        self._numbers: dict[str, frozenset[str]] = {}

    def words(self, text: str) -> Words:
        if text not in self._words:
            self._words[text] = Words(text)
        return self._words[text]

    def numbers(self, text: str) -> frozenset[str]:
        if text not in self._numbers:
            self._numbers[text] = numbers(text)
        return self._numbers[text]

    def problem_with(self, cited: Cited) -> str | None:
        """What is wrong with a quote, in words for the model."""
        passage = passage_of(self._draft, cited.passage_id)
        if passage is None:
            return None  # `passages_exist` refuses it
        if len(cited.quote) > MOST_QUOTE_CHARS:
            return f'the quote "{shortened(cited.quote)}" is longer than {MOST_QUOTE_CHARS:,} characters'
        quote = Words(cited.quote)
        if holds(self.words(passage.text), quote):
            return None
        return self._why_not(passage, quote)

    def _why_not(self, passage: Passage, quote: Words) -> str:
        said = shortened(quote.text)
        if quote.is_short():
            least = f"{LEAST_WORDS} words and {LEAST_WIDTH} characters"
            return f'the quote "{said}" of {passage.label} is too short; quote at least {least} of it'
        others = [other for other in self._draft.passages if other is not passage]
        home = next((other for other in others if holds(self.words(other.text), quote)), None)
        if home is not None:
            return f'the quote "{said}" does not stand in {passage.label} but in {home.label}; cite that one'
        meant = self._nearest(passage, quote)
        hint = f'; it says "{shortened(meant, 160)}"' if meant else ""
        return f'the quote "{said}" does not stand word for word in {passage.label}{hint}'

    def _nearest(self, passage: Passage, quote: Words) -> str | None:
        """The sentence of the passage that is most like the quote, if one is like it at all."""
        wanted = set(quote.folded)
        best = max(self.words(passage.text).sentences, key=lambda it: _likeness(wanted, it), default=None)
        if best is None:
            return None
        matcher = SequenceMatcher(None, quote.folded[:NEAR_WORDS], best.folded[:NEAR_WORDS], autojunk=False)
        return best.text if matcher.ratio() >= NEAR else None

    def problem_of(self, sentence: str, located: Sequence[Located]) -> str | None:
        """What is wrong with a sentence of the answer that stands on these citations."""
        if not is_claim(sentence):
            return None
        said = shortened(sentence)
        if not located:
            return f'the sentence "{said}" needs a citation that supports it'
        texts = {it.passage.label: it.passage.text for it in located}
        labels = ", ".join(texts)
        for number in sorted(numbers(without_marks(sentence)).difference(*map(self.numbers, texts.values()))):
            return f'the number {shortened(number)} of the sentence "{said}" does not stand in {labels}'
        for quotation in quotations(sentence):
            if not any(self._says(text, quotation) for text in texts.values()):
                return f'the words "{shortened(quotation)}" of the answer are in quotation marks, but not in {labels}'
        return None

    def _says(self, text: str, quotation: str) -> bool:
        """Whether a text has these words, or they are too few to be anybody's."""
        quoted = Words(without_marks(quotation))
        return quoted.is_short() or self.words(without_marks(text)).find(quoted.folded) is not None


def _likeness(wanted: set[str], sentence: Words) -> float:
    return len(wanted.intersection(sentence.folded)) / (len(wanted) + len(sentence.folded) + 1)


def _is_visible(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNS"
