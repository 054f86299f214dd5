"""Citation recall and precision: which sentences stand on what is cited, and which citations they need."""

from __future__ import annotations

import pytest

from agent.checks import CitationScores, Cited, Draft, citation_scores
from agent.events import Passage
from agent.request import Request

MILL = "The old mill was restored in 1958 by volunteers from the village."
WHEEL = "Its wheel has a diameter of 4 metres and turns again since the restoration."
TOWN = "The council of the town paid for nothing, and was proud of it."
TEXTS = {"p1": MILL, "p2": WHEEL, "p3": TOWN}


def scores(answer: str, *labels: str, no_answer: bool = False) -> CitationScores:
    passages = tuple(
        Passage(id=f"psg_{label}", label=label, document_id="d", title="", source="", text=text)
        for label, text in TEXTS.items()
    )
    cited = tuple(Cited(label, TEXTS[label]) for label in labels)
    return citation_scores(Draft("", answer, Request(messages=()), passages, cited, no_answer))


@pytest.mark.parametrize(
    ("answer", "labels", "recall", "precision"),
    [
        ("The old mill was restored in 1958.", ("p1",), 1.0, 1.0),
        ("The old mill was restored in 1959.", ("p1",), 0.0, 0.0),
        ("The mill was restored in 1958 [p1]. Nobody ever knew why they did so.", ("p1",), 0.5, 1.0),
        ("The mill was restored in 1958 [p1, p3].", ("p1", "p3"), 1.0, 0.5),
        (
            "The mill was restored in 1958 by volunteers, and its wheel of 4 metres turns [p1, p2].",
            ("p1", "p2"),
            1.0,
            1.0,
        ),
        ("The mill was restored in 1958.", ("p1", "p1"), 1.0, 1.0),
        ("The mill was restored in 1958.", (), 0.0, None),
    ],
)
def test_recall_counts_sentences_and_precision_citations(
    answer: str, labels: tuple[str, ...], recall: float, precision: float | None
) -> None:
    found = scores(answer, *labels)
    assert (found.recall, found.precision) == (recall, precision)


def test_what_is_unsupported_is_told_by_its_place() -> None:
    answer = "The mill was restored in 1958 [p1]. Nobody ever knew why they did so."
    found = scores(answer, "p1")
    assert [span.of(answer) for span in found.unsupported] == ["Nobody ever knew why they did so."]
    assert (found.sentences, found.citations) == (2, 1)


def test_no_answer_has_nothing_to_take_a_share_of() -> None:
    assert scores("", no_answer=True) == CitationScores(None, None, 0, 0, ())
