"""Whether what an answer says of numbers, dates, names and in quotation marks stands where it says that it does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.checks.citing import Located, supports
from agent.checks.draft import Draft, grounding
from agent.checks.finding import MOST_ANSWER_CHARS, Words, shortened
from agent.events import Evidence, EvidenceStatus
from agent.text import (
    Date,
    Name,
    Span,
    dates,
    is_claim,
    names,
    numbers,
    places_of_numbers,
    quotations,
    without_marks,
)
from agent.text.language import capitalises_nouns, language_of

MOST_PROBLEMS = 8
MOST_PASSAGES = 3
STEM_CHARS = 4
"""Words that have so many first letters in common may be forms of one name: Denver's, Parisian, Москве."""
LEAST_MONTH_CHARS = 3
_NUMERIC_DATE = re.compile(r"(?<!\d)\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?!\d)")


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be said of a sentence: its evidence, and its problem if it has one."""

    evidence: Evidence
    problem: str = ""


@grounding
def claims_are_cited(draft: Draft) -> Iterator[str | Evidence]:
    """Every sentence with a number, a date or a quotation stands on a citation whose passage has these too.

    Not where the draft says that there is no answer, nor where it is so long that `answers_something` refuses it.
    """
    told = 0
    for span, located in supports(draft).items():
        found = _judged(draft.answer, span, located)
        if found is not None:
            yield found.evidence
        if found is not None and found.problem and told < MOST_PROBLEMS:
            told += 1
            yield found.problem


def _judged(answer: str, span: Span, located: Sequence[Located]) -> _Found | None:
    """None for a sentence that claims nothing."""
    sentence = without_marks(span.of(answer))
    if not is_claim(sentence):
        return None
    said = shortened(sentence)
    if not located:
        return _Found(_at(span, "uncited"), f'the sentence "{said}" needs a citation that supports it')
    cited = _Cited(located)
    for number, place in _unfounded(sentence, cited):
        problem = f'the number {shortened(number)} of the sentence "{said}" does not stand in {cited.labels}'
        return _Found(_at(_moved(place, span), "unfounded", located[0]), problem)
    for number, there in cited.contradicted(sentence):
        problem = f'the sentence "{said}" says {shortened(number)} where {cited.labels} says {shortened(there)}'
        return _Found(_at(span, "unfounded", located[0]), problem)
    for date in dates(sentence):
        if not cited.has_date(date):
            problem = f'the date {date.day} {date.month} {date.year} of "{said}" does not stand in {cited.labels}'
            return _Found(_at(_moved(date.place, span), "unfounded", located[0]), problem)
    for quotation in quotations(sentence):
        if not cited.says(quotation):
            words = f'the words "{shortened(quotation)}" of the answer are in quotation marks'
            return _Found(_at(span, "unfounded", located[0]), f"{words}, but not in {cited.labels}")
    return _Found(_at(span, "found", located[0]))


@grounding
def names_are_cited(draft: Draft) -> Iterator[str | Evidence]:
    """Every name of the answer stands in a passage that it cites, in what was asked, or in a title.

    Names are known by capital letters inside a sentence, so scripts without them have none; where nouns are capitalised
    too, only names of two words and more count. Endings may differ, as they do where names are inflected.
    """
    support = supports(draft)
    cited = {it.passage.id: it.passage for located in support.values() for it in located}
    if not cited:
        return  # without a quote that holds, there is nothing to compare with
    known = _Known([*(f"{it.title} {it.text}" for it in cited.values()), *_asked(draft)])
    told = 0
    for span in support:
        for name in names(without_marks(span.of(draft.answer))):
            if told < MOST_PROBLEMS and not known.name(name) and _tells(name, draft):
                told += 1
                yield _at(_moved(name.place, span), "unfounded")
                yield f'the name "{shortened(" ".join(name.words))}" stands in no passage that is cited'


def _tells(name: Name, draft: Draft) -> bool:
    """Whether a capital letter makes it a name: a single noun is none where nouns are written so."""
    return len(name.words) > 1 or not capitalises_nouns(language_of(draft.answer) or _language_of_passages(draft))


def _language_of_passages(draft: Draft) -> str | None:
    return language_of("\n".join(passage.text for passage in draft.passages[:MOST_PASSAGES]))


def _asked(draft: Draft) -> Iterator[str]:
    return (message.content[:MOST_ANSWER_CHARS] for message in draft.request.messages)


class _Known:
    """Words of which a name may be made, in whatever form they stand."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words = frozenset(word for text in texts for word in Words(text).folded)
        self._beginnings = frozenset(word[:STEM_CHARS] for word in self._words if len(word) >= STEM_CHARS)

    def name(self, name: Name) -> bool:
        """Whether each word of a name stands there, or one that begins as it does."""
        said = (it for word in name.words for it in Words(word).folded)
        return all(it in self._words or it[:STEM_CHARS] in self._beginnings for it in said)


class _Cited:
    """The passages that a sentence stands on."""

    def __init__(self, located: Sequence[Located]) -> None:
        self._texts = {it.passage.label: it.passage.text for it in located}
        self.labels = ", ".join(self._texts)

    def numbers(self) -> frozenset[str]:
        """Those of the passages, and the parts of dates without words."""
        parts = (part.lstrip("0") for date in self._dates() for part in date)
        return frozenset(parts).union(*map(numbers, self._texts.values()))

    def _dates(self) -> Iterator[Sequence[str]]:
        return (re.split(r"\D", date) for text in self._texts.values() for date in _NUMERIC_DATE.findall(text))

    def contradicted(self, sentence: str) -> Iterator[tuple[str, str]]:
        """Numbers of a sentence that stand somewhere else only: between their neighbours there is another one.

        Each with that other one.
        """
        there: dict[tuple[str, ...], set[str]] = {}
        for text in self._texts.values():
            for number, around in _surrounded(text):
                there.setdefault(around, set()).add(number)
        for number, around in _surrounded(sentence):
            others = there.get(around, {number})
            if number not in others:
                yield number, min(others)

    def has_date(self, date: Date) -> bool:
        """Whether a month stands there, or a date of that day and year without words."""
        words = frozenset(word for text in self._texts.values() for word in Words(text).folded)
        month = Words(date.month).folded
        if any(_is_form(said, word) for said in month for word in words):
            return True
        return any({int(date.day), int(date.year)} <= set(map(int, numeric)) for numeric in self._dates())

    def says(self, quotation: str) -> bool:
        """Whether a text has these words, or they are too few to be anybody's."""
        quoted = Words(without_marks(quotation))
        return quoted.is_short() or any(Words(without_marks(it)).find(quoted.folded) for it in self._texts.values())


def _surrounded(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The numbers of a text, each with the words on both sides of it, and with those on either side."""
    words = ("", "", *Words(text).folded, "", "")
    for place, number in enumerate(words[2:-2], start=2):
        if any(map(str.isnumeric, number)):
            before, after = words[place - 2 : place], words[place + 1 : place + 3]
            sides = ((before[1], after[0]), (*before, "#"), ("#", *after))
            yield from ((number, side) for side in sides if "" not in side)


def _is_form(said: str, word: str) -> bool:
    """Whether two words are one month: an inflected form, or its beginning as a short form."""
    short, long = sorted((said, word), key=len)
    if long.startswith(short):
        return len(short) >= LEAST_MONTH_CHARS
    return len(long) - len(short) <= 2 and long.startswith(short[: max(LEAST_MONTH_CHARS, len(short) - 1)])


def _unfounded(sentence: str, cited: _Cited) -> Iterator[tuple[str, Span]]:
    there = cited.numbers()
    found = places_of_numbers(sentence)
    return ((number, Span(start, end)) for number, start, end in found if number not in there)


def _at(place: Span, status: EvidenceStatus, it: Located | None = None) -> Evidence:
    seen = Evidence(status=status, start=place.start, end=place.end)
    if it is None:
        return seen
    beside = {"passage_id": it.passage.id, "passage_start": it.place.start, "passage_end": it.place.end}
    return seen.model_copy(update=beside)


def _moved(place: Span, sentence: Span) -> Span:
    return Span(sentence.start + place.start, sentence.start + place.end)
