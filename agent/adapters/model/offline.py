"""The model that is there when no endpoint is configured: it looks up, and says so. No language model is involved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import fsum, log

import orjson

from agent.checks import GROUNDED, Cited, CitedAnswer, Draft, Quoted
from agent.checks.judging import verdicts
from agent.effects import CallModel, ModelAnswer
from agent.errors import Permanent
from agent.events import Passage
from agent.request import Request
from agent.text import rarity, sentences, tokens, without_marks

NAME = "offline"
CHAT = (
    "This is the offline model: it looks up sentences in stored documents and cannot hold a conversation or call "
    "functions. To get real answers, set CUELIGHT_MODEL_BASE_URL to an OpenAI-compatible endpoint and CUELIGHT_MODELS "
    "to the models to use."
)
MOST_SENTENCES = 3
ENOUGH = 0.22
"""The part of a question's weight that a sentence has to answer to be an answer. Tuned on 300 XQuAD questions with the
six nearest passages: 96 in 100 keep an answer; without the right passage 3 in 4 get none."""
ALSO = 0.7
"""A further sentence is given if it is this good, compared with the best one."""
PAIR_WEIGHT = 0.3
STEM_WEIGHT = 0.8
STEM_CHARS = 5
CONTEXT_WEIGHT = 0.3
"""What the rest of the passage and its title hold of the question counts this much for each of its sentences."""
MIN_QUESTION = 2
"""Fewer words are a name to look up, and a sentence may well begin with it."""
FEW = 12
"""So few sentences cannot tell which words are rare; how long a word is says more then."""
LONG_CHARS = 8
NO_PROSE_WEIGHT = 0.6
"""For what does not end like a sentence: headings, table rows, code."""

_ENDS_LIKE_PROSE = re.compile(r"""[.!?…。！？｡؟۔।॥።]["'”’»)\]*_」』）]*$""")


@dataclass(frozen=True, slots=True)
class _Candidate:
    passage: Passage
    quote: str
    terms: frozenset[str]
    context: frozenset[str]


class OfflineModel:
    """Answers from the passages of a call, in their own words, with the sentences that share most with the question.

    The same call gets the same answer. What it says of passages passes every check that ships: it judges itself first
    and rather gives no answer.
    """

    async def call(self, effect: CallModel) -> ModelAnswer:
        """Raises `Permanent` if the call wants an output that is not a `CitedAnswer`."""
        text = CHAT if effect.output_schema is None else _looked_up(effect)
        return ModelAnswer(text=text, model=NAME, endpoint=NAME, offline=True, cost_usd=Decimal(0))


def _looked_up(effect: CallModel) -> str:
    wanted = orjson.loads(effect.output_schema or "{}").get("properties", {})
    if set(wanted) != set(CitedAnswer.model_fields):
        raise Permanent("the offline model only fills in a CitedAnswer; configure an endpoint", kind="rejected")
    said = [candidate for candidate in _candidates(effect.passages) if not _repeats(candidate.quote, effect.question)]
    best = _best(effect.question, said)
    answers = (_answer(best[:count]) for count in range(len(best), 0, -1))
    nothing = CitedAnswer(answer="", citations=[], no_answer=True)
    return next((answer for answer in answers if _passes(answer, effect.passages)), nothing).model_dump_json()


def _candidates(passages: Sequence[Passage]) -> Iterator[_Candidate]:
    seen = set()
    for passage in passages:
        context = _terms(passage.title) | _terms(passage.text)
        for span in sentences(passage.text):
            quote = span.of(passage.text)
            if quote not in seen:  # passages of one document may overlap
                seen.add(quote)
                yield _Candidate(passage, quote, _terms(quote), context)


def _repeats(quote: str, question: str) -> bool:
    """Whether a sentence mostly is the question over again, as in an example of how to ask it."""
    if not any(mark in quote for mark in "?？؟"):
        return False
    said, asked = ([token.text for token in tokens(text)] for text in (quote, question))
    inside = any(said[at : at + len(asked)] == asked for at in range(len(said) - len(asked) + 1))
    return len(asked) > MIN_QUESTION and inside and len(said) < 2 * len(asked) + MIN_QUESTION


def _terms(text: str) -> frozenset[str]:
    """Words, their beginnings (marked `*`) in place of stems, and pairs of neighbours (with a blank)."""
    words = [token.text for token in tokens(text)]
    stems = (f"{word[:STEM_CHARS]}*" for word in words if len(word) >= STEM_CHARS)
    pairs = (f"{first} {second}" for first, second in pairwise(words))
    return frozenset((*words, *stems, *pairs))


def _best(question: str, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The sentences that answer a question best, best first; none if even the best one hardly has to do with it."""
    rare = rarity([candidate.terms for candidate in candidates])
    unheard = log(2 * len(candidates) + 2)
    # What no sentence holds weighs most: either it only asks (`who`), or it is what the passages say nothing about.
    known = min(1.0, len(candidates) / FEW)
    weights = {
        term: _share(term) * (known * rare.get(term, unheard) / unheard + (1 - known) * _length(term))
        for term in _terms(question)
    }
    scored = [(_score(candidate, weights), candidate) for candidate in candidates]
    top = max((score for score, _ in scored), default=0.0)
    if top <= 0 or top < ENOUGH * fsum(weights.values()):
        return []
    ranked = sorted(scored, key=lambda pair: -pair[0])  # a stable order: the search's own ranking breaks ties
    return [candidate for score, candidate in ranked[:MOST_SENTENCES] if score >= ALSO * top]


def _length(term: str) -> float:
    return min(len(term), LONG_CHARS) / LONG_CHARS


def _share(term: str) -> float:
    return PAIR_WEIGHT if " " in term else STEM_WEIGHT if term.endswith("*") else 1.0


def _score(candidate: _Candidate, weights: dict[str, float]) -> float:
    own = fsum(weight for term, weight in weights.items() if term in candidate.terms)
    around = fsum(weight for term, weight in weights.items() if term in candidate.context)
    prose = 1.0 if _ENDS_LIKE_PROSE.search(without_marks(candidate.quote).rstrip()) else NO_PROSE_WEIGHT
    return prose * (own + CONTEXT_WEIGHT * max(0.0, around - own)) if own else 0.0


def _answer(chosen: Sequence[_Candidate]) -> CitedAnswer:
    quotes = [Quoted(passage_id=candidate.passage.label, quote=candidate.quote) for candidate in chosen]
    return CitedAnswer(
        answer="\n\n".join(_readable(candidate.quote) for candidate in chosen), citations=quotes, no_answer=False
    )


def _readable(sentence: str) -> str:
    """A sentence on one line, without the citation marks of its source, which would read as ours."""
    line = " ".join(without_marks(sentence).split())
    return re.sub(r" ([.,;:!?])(?=\s|$)", r"\1", line)


def _passes(answer: CitedAnswer, passages: Sequence[Passage]) -> bool:
    citations = tuple(Cited(quoted.passage_id, quoted.quote) for quoted in answer.citations)
    draft = Draft("", answer.answer, Request(messages=()), tuple(passages), citations)
    return all(given.passed for given in verdicts(GROUNDED, draft))
