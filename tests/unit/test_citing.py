"""A citation has both its ends: the words of the passage, and the sentence of the answer that stands on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks import Cited, Draft, cite, supports
from agent.events import Citation, Passage
from agent.request import Request

DAM = "Préface 😀. The “ﬁnal” block was set (at last!) in 1936. The dam is 221 m high."
LAKE = "The lake is 115 miles long. It was named after a secretary."


def passage(label: str, text: str) -> Passage:
    return Passage(
        id=f"psg_{label}x",
        label=label,
        document_id=f"doc_{label}",
        title="Dams",
        source="dams.md",
        url="https://dams.test",
        text=text,
    )


PASSAGES = (passage("p1", DAM), passage("p2", LAKE))
BLOCK = ("p1", 'the "final" block WAS set')
HIGH = ("p1", "The dam is 221 m high.")
LONG = ("p2", "lake is 115 miles")
NAMED = ("p2", "named after a secretary")


def draft(answer: str, *citations: tuple[str, str], no_answer: bool = False) -> Draft:
    cited = tuple(Cited(*citation) for citation in citations)
    return Draft("", answer, Request(messages=()), PASSAGES, cited, no_answer)


def supported(answer: str, *citations: tuple[str, str]) -> list[tuple[str, str]]:
    """Pairs of the answer's words and the passage's."""
    found = cite(draft(answer, *citations))
    return [(answer[it.answer_start : it.answer_end], it.quote) for it in found]


def test_the_quote_is_our_cut_of_the_passage_and_not_the_models_spelling() -> None:
    (found,) = cite(draft("It was set.", BLOCK))
    assert found == Citation(
        answer_start=0,
        answer_end=11,
        passage_id="psg_p1x",
        document_id="doc_p1",
        title="Dams",
        source="dams.md",
        url="https://dams.test",
        passage_start=DAM.index("The “"),
        passage_end=DAM.index(" (at"),
        quote="The “ﬁnal” block was set",
    )
    assert DAM[found.passage_start : found.passage_end] == found.quote


def test_punctuation_around_a_quote_is_kept_where_the_passage_has_it_too() -> None:
    assert supported("It is.", ("p1", "(at last!) in 1936.")) == [("It is.", "(at last!) in 1936.")]
    assert supported("It is.", ("p1", "“at last! in 1936…")) == [("It is.", "at last!) in 1936")]


def test_a_citation_supports_the_sentence_that_shares_most_with_it() -> None:
    answer = "The block was set late. The lake is long. It is high."
    assert supported(answer, LONG, BLOCK, HIGH) == [
        ("The block was set late.", "The “ﬁnal” block was set"),
        ("The lake is long.", "lake is 115 miles"),
        ("It is high.", "The dam is 221 m high."),
    ]


def test_a_shared_number_ties_a_sentence_to_a_quote() -> None:
    answer = "The lake is miles away. In all, there would be {}."
    assert supported(answer.format(116), LONG) == [("The lake is miles away.", "lake is 115 miles")]
    assert supported(answer.format(115), LONG) == [(answer.format(115), "lake is 115 miles")]


@pytest.mark.parametrize("mark", ["[2]", "[p2]", "[1, 2]"])
@pytest.mark.parametrize("place", ["{} .", "{}.", ". {}", ".{}"])
def test_a_mark_behind_a_sentence_decides(mark: str, place: str) -> None:
    # Without the mark, the second sentence would be the one.
    answer = f"Much was built{place.format(mark)} The lake is 115 miles long."
    words = [words for words, quote in supported(answer, HIGH, LONG) if quote == "lake is 115 miles"]
    assert len(words) == 1
    assert words[0].startswith("Much was built")


def test_a_number_in_a_mark_is_the_citations_own_or_else_the_passages() -> None:
    answer = "Much was built [2]. The lake is 115 miles long."
    assert supported(answer, LONG) == [("Much was built [2].", "lake is 115 miles")]
    assert supported("It is [9]. The lake is 115 miles long.", LONG)[0][0] == "The lake is 115 miles long."


def test_one_sentence_may_stand_on_several_citations() -> None:
    assert [words for words, quote in supported("The lake of 115 miles was named.", LONG, NAMED)] == [
        "The lake of 115 miles was named."
    ] * 2


def test_neighbouring_sentences_share_one_citation() -> None:
    answer = "The lake is 115 miles. Yes, 115.\n\nNobody knows why."
    assert supported(answer, LONG) == [("The lake is 115 miles. Yes, 115.", "lake is 115 miles")]


def test_an_answer_in_another_language_is_cited_in_its_order() -> None:
    answer = "Der Block kam spät. Niemand weiß den Namen."
    assert [words for words, quote in supported(answer, BLOCK, NAMED)] == [
        "Der Block kam spät.",
        "Niemand weiß den Namen.",
    ]


def test_the_same_citation_twice_is_one() -> None:
    assert len(supported("The lake is 115 miles long.", LONG, LONG, ("psg_p2x", "LAKE is 115 miles"))) == 1


def test_what_cannot_be_found_is_not_cited() -> None:
    assert supported("The lake is long.", ("p2", "the sea is long"), ("p9", "lake is 115 miles")) == []
    assert cite(draft("", LONG, no_answer=True)) == ()
    assert cite(draft("", LONG)) == ()


def test_an_answer_without_a_word_is_cited_as_a_whole() -> None:
    assert supported("👍", LONG) == [("👍", "lake is 115 miles")]


def test_every_sentence_is_told_what_it_stands_on() -> None:
    answer = "- The lake is 115 miles.\n- Nobody knows."
    found = supports(draft(answer, LONG))
    assert {span.of(answer): [it.quote for it in located] for span, located in found.items()} == {
        "The lake is 115 miles.": ["lake is 115 miles"],
        "Nobody knows.": [],
    }


@given(st.text(min_size=1, max_size=60), st.text(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_both_ends_lie_where_they_say(text: str, answer: str, start: int, length: int) -> None:
    quote = text[start:][:length]
    made = Draft("", answer, Request(messages=()), (passage("p1", text),), (Cited("p1", quote),))
    for found in cite(made):
        assert text[found.passage_start : found.passage_end] == found.quote != ""
        assert 0 <= found.answer_start < found.answer_end <= len(answer)
