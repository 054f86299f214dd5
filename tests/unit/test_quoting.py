"""What becomes of a quote: found, repaired, misattributed, stitched, or not found; and where its words stand."""

from __future__ import annotations

import pytest

from agent.checks import Cited, Draft, cite, quote_verdicts, quotes_are_found
from agent.events import Evidence, Passage
from agent.request import Request

MILL = (
    "The mill at Lower Slaughter was restored in 1958, and its water-wheel turns again. Visitors are not admitted "
    "to the upper floor. A docu-\nment of the parish mentions the miller’s complaint about seventeen sacks."
)
TOWN = "The town council discussed the restoration for several years before anything happened."


def passage(label: str, text: str) -> Passage:
    return Passage(id=f"psg_{label}", label=label, document_id="doc", title="Mills", source="mills.md", text=text)


def draft(quote: str, label: str = "p1") -> Draft:
    passages = (passage("p1", MILL), passage("p2", TOWN))
    return Draft("", "It turns again.", Request(messages=()), passages, (Cited(label, quote),))


def status(quote: str, label: str = "p1") -> str:
    (verdict,) = quote_verdicts(draft(quote, label))
    return verdict.match.status


@pytest.mark.parametrize(
    ("quote", "became"),
    [
        ("its WATER-WHEEL turns\n again", "found"),
        ("and its waterwheel turns again", "repaired"),
        ("A document of the parish mentions", "repaired"),
        ("Visitors are not admited to the upper floor", "repaired"),
        ("Visitors are not admittde to the upper floor", "not_found"),
        ("the miller's compliant about seventeen sacks", "not_found"),
        ("the miller's complaint about sevnteen sacks", "repaired"),
        ("The town council discussed the restoration", "misattributed"),
        ("The mill at Lower Slaughter … its water-wheel turns again", "stitched"),
        ("The mill at Lower Slaughter the town council discussed", "stitched"),
        ("the wheel was sold to a museum in Bath", "not_found"),
        ("turns", "too_short"),
    ],
)
def test_a_quote_becomes_one_of_a_few_verdicts(quote: str, became: str) -> None:
    assert status(quote) == became


@pytest.mark.parametrize(
    "quote",
    [
        "The mill at Lower Slaughter was restored in 1959",
        "The mill at Lower Slaugther was restored in 1958",
        "Visitors are now admitted to the upper floor",
        "Visitors are not admitted to the uppers floor",
        "Visitors are not admitted to the tipper floor",
        "discussed the restoration for several beers before",
        "Visitors are nat admitted to the upper floor",
        "Visitors aer not admited to the upper floor",
    ],
)
def test_a_number_a_name_a_short_word_an_ending_or_two_slips_are_not_repaired(quote: str) -> None:
    assert not next(iter(quote_verdicts(draft(quote)))).match.holds


def test_a_repaired_quote_is_shown_as_the_source_has_it_and_marked() -> None:
    (citation,) = cite(draft("Visitors are not admited to the upper floor."))
    assert citation.quote == "Visitors are not admitted to the upper floor."
    assert citation.repaired
    assert MILL[citation.passage_start : citation.passage_end] == citation.quote
    (exact,) = cite(draft("Visitors are not admitted to the upper floor."))
    assert not exact.repaired
    assert "repaired" not in exact.model_dump(), "a release that knows no repair goes on reading what has none"


def test_the_evidence_is_where_the_words_stand() -> None:
    quote = "The town council discussed the restoration"
    said = list(quotes_are_found(draft(quote)))
    place = {"passage_id": "psg_p2", "passage_start": 0, "passage_end": len(quote)}
    assert said[0] == Evidence(status="misattributed", start=0, end=len(quote), citation=1, **place)
    assert "does not stand in p1 but in p2" in str(said[1])


def test_an_unknown_passage_is_told_by_another_check() -> None:
    (evidence,) = quotes_are_found(draft("its water-wheel turns again", "p9"))
    assert isinstance(evidence, Evidence)
    assert evidence.status == "unknown_passage"
