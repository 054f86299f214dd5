"""What one answer is worth: numbers from 0 to 1, where more is better."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson

from agent.checks import Cited, Draft, citation_scores
from agent.checks.json_schema import compiled
from agent.checks.structured import unambiguous
from agent.evaluation.dataset import Expected
from agent.events import AnswerAccepted, Citation, Passage
from agent.request import Request
from agent.text.folding import fold

ANSWERED = "answered"
QUALITY = (
    ANSWERED,
    "exact",
    "contains",
    "lacks",
    "schema",
    "no_answer",
    "source_recall",
    "source_precision",
    "citation_recall",
    "citation_precision",
)
"""Every score. `citation_…` are ALCE's, see `agent.checks.scores`; `source_…` compare with the expected documents."""

_BY_EXPECTATION = {"exact": "exact", "contains": "contains", "lacks": "lacks", "matches": "schema"}


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a line's run. `answer` is None where it failed, and `code` says why."""

    run: str
    status: str
    answer: AnswerAccepted | None = None
    code: str = ""
    passages: tuple[Passage, ...] = ()
    """Those that its answer was drafted from."""
    repairs: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    """None where nobody knows."""
    took: timedelta | None = None
    """From opening to ending."""


def scores_of(expected: Expected, ran: Ran, *, grounded: bool) -> dict[str, float]:
    """The scores of a run, by name: those only that it has. `grounded`: whether the agent answers from documents.

    A run that failed has 0 for everything that a right answer would have had.
    """
    if ran.answer is None:
        return dict.fromkeys(_wanted(expected, grounded=grounded), 0.0)
    found: dict[str, float | None] = {ANSWERED: 1.0, **_as_expected(expected, ran.answer)}
    if expected.citations is not None:
        found |= _sources(expected.citations, ran.answer.citations)
    if ran.passages:
        alce = citation_scores(_draft(ran.answer, ran.passages))
        found |= {"citation_recall": alce.recall, "citation_precision": alce.precision}
    return {name: value for name, value in found.items() if value is not None}


def _wanted(expected: Expected, *, grounded: bool) -> Sequence[str]:
    names = [ANSWERED, *(name for field, name in _BY_EXPECTATION.items() if getattr(expected, field) is not None)]
    if expected.no_answer is not None:
        names.append("no_answer")
    if expected.citations is not None:
        names += ["source_recall", "source_precision"]
    if grounded and not expected.no_answer:
        names += ["citation_recall", "citation_precision"]
    return names


def _as_expected(expected: Expected, answer: AnswerAccepted) -> Mapping[str, float]:
    wanted = {name: getattr(expected, field) for field, name in _BY_EXPECTATION.items()}
    found = {name: _SCORERS[name](value, answer.text) for name, value in wanted.items() if value is not None}
    if expected.no_answer is not None:
        found["no_answer"] = float(answer.no_answer == expected.no_answer)
    return found


def _exact(wanted: Sequence[str] | dict[str, Any], text: str) -> float:
    """The same text but for white space and how its characters are composed; or the same JSON object."""
    if isinstance(wanted, dict):
        return float(_is_same(wanted, _json(text)))
    return float(_composed(text) in map(_composed, wanted))


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: for Python alone, true is 1."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_is_same(value, other[name]) for name, value in one.items())
        case list(), list():
            return len(one) == len(other) and all(map(_is_same, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _contains(wanted: Sequence[str], text: str) -> float:
    """The share of the texts that stand in the answer, whatever their case."""
    there = _folded(text)
    return sum(_folded(one) in there for one in wanted) / len(wanted)


def _lacks(unwanted: Sequence[str], text: str) -> float:
    return 1.0 - _contains(unwanted, text)


def _matches(schema: dict[str, Any], text: str) -> float:
    value = _json(text)
    return float(value is not _NO_JSON and not compiled(orjson.dumps(schema).decode()).problems(value))


_SCORERS: Mapping[str, Callable[[Any, str], float]] = {
    "exact": _exact,
    "contains": _contains,
    "lacks": _lacks,
    "schema": _matches,
}
_NO_JSON = object()


def _json(text: str) -> Any:
    try:
        return unambiguous(text)
    except ValueError:
        return _NO_JSON


def _composed(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _folded(text: str) -> str:
    return " ".join(fold(text)[0].split())


def _sources(wanted: Sequence[str], citations: Sequence[Citation]) -> dict[str, float | None]:
    """Which of the expected documents are cited, and which of those that are cited were expected.

    A document may be named by its id, its source, its title, its URL, or the id of a passage of it.
    """
    cited = {it.document_id: frozenset[str]() for it in citations}
    for it in citations:
        cited[it.document_id] |= {it.document_id, it.source, it.title, it.url or it.source, it.passage_id}
    right = sum(any(name in names for name in wanted) for names in cited.values())
    found = sum(any(name in names for names in cited.values()) for name in dict.fromkeys(wanted))
    precision = right / len(cited) if cited else None
    return {"source_recall": found / len(dict.fromkeys(wanted)), "source_precision": precision}


def _draft(answer: AnswerAccepted, passages: tuple[Passage, ...]) -> Draft:
    """The answer as the checks saw it: each quote once."""
    cited = dict.fromkeys((it.passage_id, it.quote) for it in answer.citations)
    citations = tuple(Cited(*pair) for pair in cited)
    return Draft("", answer.text, Request(messages=()), passages, citations, answer.no_answer)
