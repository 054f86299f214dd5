"""Citation recall and precision, as ALCE defines them (Gao et al. 2023, https://arxiv.org/abs/2305.14627).

There a model of language inference judges whether passages support a sentence; here words do. So the numbers compare
with those of others in shape and not in value: a sentence that says the opposite in the same words counts as supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.checks.citing import Located, supports
from agent.checks.draft import Draft
from agent.checks.finding import Words
from agent.text import Span, numbers, without_marks

ENOUGH = 0.7
"""A sentence is supported by texts that have this share of its words, and all of its numbers."""
STEM_CHARS = 5
"""Longer words count as the same if they begin alike: inflection is no reason to doubt."""


@dataclass(frozen=True, slots=True)
class CitationScores:
    """How an answer stands on its citations.

    `recall` is the share of its sentences that their cited passages support together, `precision` the share of its
    citations that are needed: without which a sentence would not be supported, or which support it alone. None where
    there is no sentence, or no citation, to take a share of.
    """

    recall: float | None
    precision: float | None
    sentences: int
    citations: int
    unsupported: tuple[Span, ...]
    """Where in the answer the sentences are that nothing cited supports."""


def citation_scores(draft: Draft) -> CitationScores:
    """The scores of a draft. One without an answer has no sentence and no citation."""
    rows = [(span, _texts(located)) for span, located in supports(draft).items()]
    supported = [_is_supported(span.of(draft.answer), texts) for span, texts in rows]
    needed = [_is_needed(span.of(draft.answer), texts, text) for span, texts in rows for text in texts]
    return CitationScores(
        recall=_share(supported),
        precision=_share(needed),
        sentences=len(rows),
        citations=len(needed),
        unsupported=tuple(span for (span, _), holds in zip(rows, supported, strict=True) if not holds),
    )


def _texts(located: Sequence[Located]) -> Sequence[str]:
    """Each passage counts once, however many quotes are from it."""
    return list({it.passage.id: it.passage.text for it in located}.values())


def _is_supported(sentence: str, texts: Sequence[str]) -> bool:
    said = without_marks(sentence)
    words = Words(said).folded
    if not texts or not words or not numbers(said) <= frozenset[str]().union(*map(numbers, texts)):
        return False
    there = {_stem(word) for text in texts for word in Words(text).folded}
    return sum(_stem(word) in there for word in words) >= ENOUGH * len(words)


def _is_needed(sentence: str, texts: Sequence[str], one: str) -> bool:
    """Of a sentence that is not supported no citation is."""
    if not _is_supported(sentence, texts):
        return False
    return _is_supported(sentence, [one]) or not _is_supported(sentence, [text for text in texts if text is not one])


def _stem(word: str) -> str:
    return word[:STEM_CHARS]


def _share(told: Sequence[bool]) -> float | None:
    return sum(told) / len(told) if told else None
