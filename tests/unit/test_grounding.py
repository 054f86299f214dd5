"""What is made up does not pass: passages, quotes, numbers, quotations. What is only spelled differently does."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.checks import (
    GROUNDED,
    Check,
    Cited,
    Draft,
    answers_something,
    citations_are_given,
    claims_are_cited,
    passages_exist,
    quotes_are_found,
)
from agent.events import Evidence, Passage
from agent.request import Request

DAM = (
    "The dam’s ﬁnal block was set on 6 June 1936. It is not the high\u00adest dam in Europe – it stands 221.4 m high, "
    "cost “about” $49,000,000 and fills 6½ km² at −5 °C. Yes."
)
LAKE = "The lake behind it is 115 miles long. 湖は東京より広いです。 It was named after a secretary."


def passage(label: str, text: str) -> Passage:
    return Passage(id=f"psg_{label}x", label=label, document_id="doc", title="Dams", source="dams.md", text=text)


PASSAGES = (passage("p1", DAM), passage("p2", LAKE))


def draft(answer: str = "It is high.", *citations: tuple[str, str], no_answer: bool = False) -> Draft:
    cited = tuple(Cited(*citation) for citation in citations)
    return Draft("", answer, Request(messages=()), PASSAGES, cited, no_answer)


def problems(check: Check, judged: Draft) -> list[str]:
    return [said for said in check(judged) if isinstance(said, str)]


def quoting(quote: str, label: str = "p1") -> list[str]:
    return problems(quotes_are_found, draft("It is high.", (label, quote)))


def claiming(answer: str, *citations: tuple[str, str]) -> list[str]:
    return problems(claims_are_cited, draft(answer, *citations))


SET = ("p1", "block was set on 6 June 1936")
LONG = ("p2", "The lake behind it is 115 miles long.")


def test_a_sound_draft_passes_every_check() -> None:
    sound = draft("It was done in 1936. The lake is 115 miles long.", SET, LONG)
    assert [problem for check in GROUNDED for problem in problems(check, sound)] == []


@pytest.mark.parametrize(
    "quote",
    [
        "the dam's final block was set on 6 june 1936",
        "  The dam’s ﬁnal\n\tblock was set ",
        "THE DAM’S FINAL BLOCK WAS SET",
        "final block was set on 6 June 1936.",
        "final block was set on 6 June…",
        "… final block was set ...",
        "«final block was set»",
        "It is not the highest dam in Europe — it stands 221.4 m high",
        "highest dam in Europe it stands",
        'cost "about" $49,000,000',
        "fills 6½ km² at -5 °C",
        "**not** the _highest_ dam",
        unicodedata.normalize("NFD", "cost “about” $49,000,000 and fills"),
        "Yes.",
    ],
)
def test_a_quote_that_is_only_spelled_differently_passes(quote: str) -> None:
    assert quoting(quote) == []


@pytest.mark.parametrize(
    "quote",
    [
        "block was set on 6 June 1937",
        "block was set on 6 June 193",
        "block was set on 16 June 1936",
        "it stands 2214 m high",
        "it stands 221 m high",
        "it stands 221,4 m high",
        "cost “about” $49,000",
        "cost “about” €49,000,000",
        "fills 6 km² at",
        "fills 61/2 km² at",
        "fills 6½ km2 at",
        "6½ km² at 5 °C",
        "It is the highest dam in Europe",
        "It is now the highest dam in Europe",
        "It is not the highest dams in Europe",
        "It is not the highest dam in the Europe",
        "the dam’s block was set",
        "final block was set … in Europe",
        "June 1936 on 6 set was block",
    ],
)
def test_a_quote_with_a_changed_word_or_number_is_refused(quote: str) -> None:
    assert len(quoting(quote)) == 1


WORDS = DAM.split()


@given(st.integers(0, len(WORDS) - 1), st.sampled_from(["not", "no", "7", "never", "1936.5", "Europa"]), st.booleans())
def test_no_added_or_exchanged_word_passes(place: int, word: str, exchange: bool) -> None:
    assume(word != WORDS[place])
    changed = [*WORDS[:place], word, *WORDS[place + exchange :]]
    if not exchange:
        changed.append("Yes.")  # never at the end, where nothing of the passage would be changed
    assert quoting(" ".join(changed))


@given(st.integers(0, len(WORDS) - 5), st.integers(5, 12), st.randoms(use_true_random=False))
def test_case_white_space_and_punctuation_never_matter(first: int, count: int, random: object) -> None:
    choose = random.choice  # type: ignore[attr-defined]
    quote = "".join(
        choose(["", "“", "*"]) + word + choose([" ", "\n", "\u00a0 ", " – "]) for word in WORDS[first:][:count]
    )
    assert quoting(choose([str.upper, str.lower, str])(quote).replace("SS", "ss")) == []


@pytest.mark.parametrize("quote", ["", "…", "the", "in Europe", "is not the", "at −5 °C"])
def test_a_quote_of_too_few_words_is_refused(quote: str) -> None:
    assert "too short" in quoting(quote)[0]


def test_a_short_quote_in_a_dense_script_is_long_enough() -> None:
    assert quoting("湖は東京より", "p2") == []


def test_a_quote_from_another_passage_is_told_where_it_stands() -> None:
    (problem,) = quoting("The lake behind it is 115 miles long.")
    assert problem == 'the quote "The lake behind it is 115 miles long." does not stand in p1 but in p2; cite that one'


def test_a_near_quote_is_told_the_real_sentence() -> None:
    (problem,) = quoting("The lake behind it is 215 miles long", "p2")
    assert problem.endswith('in p2; it says "The lake behind it is 115 miles long."')


def test_an_invented_quote_gets_no_suggestion() -> None:
    (problem,) = quoting("Nothing like this was ever written " * 20)
    assert "it says" not in problem
    assert len(problem) < 150


def test_a_quote_may_name_its_passage_by_label_or_by_id() -> None:
    assert list(passages_exist(draft("High.", ("p1", "x"), ("psg_p2x", "x")))) == []
    assert quoting("The lake behind it", "psg_p2x") == []


@pytest.mark.parametrize("name", ["p3", "P1", "", "psg_p1", "p1\n"])
def test_a_made_up_passage_is_refused(name: str) -> None:
    (problem,) = passages_exist(draft("High.", (name, "the lake behind it")))
    assert "cite one of: p1, p2" in problem
    assert problems(quotes_are_found, draft("High.", (name, "the lake behind it"))) == []


def test_a_mark_in_the_answer_has_to_name_a_passage_too() -> None:
    assert list(passages_exist(draft("It is high [p1]."))) == []
    assert list(passages_exist(draft("It is high [p7].")))


def test_an_answer_has_citations_and_no_answer_has_none() -> None:
    assert list(citations_are_given(draft("High.", SET))) == []
    assert list(citations_are_given(draft("High.")))
    assert list(citations_are_given(draft("", no_answer=True))) == []
    assert list(citations_are_given(draft("", SET, no_answer=True)))
    assert list(citations_are_given(draft("High.", *[SET] * 65)))


@pytest.mark.parametrize("answer", ["", " \n", "\u200b", "...", "—"])
def test_a_blank_answer_is_refused_unless_it_is_no_answer(answer: str) -> None:
    assert list(answers_something(draft(answer)))
    assert list(answers_something(draft(answer, no_answer=True))) == []
    assert list(answers_something(draft("👍"))) == []


def test_a_claim_without_a_citation_that_supports_it_is_refused() -> None:
    assert claiming("It is high.") == []
    assert "needs a citation" in claiming("It was done in 1936.")[0]
    assert "needs a citation" in claiming("It is “high”.")[0]
    assert "needs a citation" in claiming("The lake is very long. It cost 49 men.", LONG)[0]


@pytest.mark.parametrize(
    "answer",
    ["The block was set in 1937.", "The block was set in 193.", "The block was set on 6 June 1936, 4 years late."],
)
def test_a_number_that_no_cited_passage_has_is_refused(answer: str) -> None:
    (problem,) = claiming(answer, SET)
    assert "does not stand in p1" in problem


def test_a_number_of_a_passage_that_is_not_cited_for_it_is_refused() -> None:
    assert claiming("The block was set 115 miles away.", SET)
    assert claiming("The lake behind it is 115 miles long.", LONG) == []


def test_a_number_may_be_grouped_or_spelled_in_another_script() -> None:
    cost = ("p1", "cost “about” $49,000,000 and")
    assert claiming("It cost about 49 000 000 dollars.", cost) == []
    assert claiming("It cost about ٤٩٬٠٠٠٬٠٠٠ dollars.", cost) == []
    assert claiming("It cost about 49,000 dollars.", cost)


def test_numbers_of_one_sentence_may_come_from_several_citations() -> None:
    answer = "The block was set in 1936, and the lake is 115 miles long."
    assert claiming(answer, SET, LONG) == []
    assert claiming(answer, SET)


def test_words_in_quotation_marks_have_to_be_of_a_cited_passage() -> None:
    assert claiming("They say “it is not the highest dam in Europe”.", ("p1", "not the highest dam in Europe")) == []
    assert claiming("They say “it is the highest dam in Europe”.", ("p1", "not the highest dam in Europe"))


@pytest.mark.parametrize("answer", ["```1937", "```\n1937\n```", "# 1937", "| 1937 |", "> 1937", "١٩٣٧", "x1937y", "②"])
def test_a_number_cannot_hide_in_markup_or_script(answer: str) -> None:
    assert claiming(answer)
    assert claiming(answer, SET)


def test_citation_marks_and_list_numbers_are_no_claims() -> None:
    assert claiming("1. It is high [1].\n2. It is long [2].") == []


def test_no_draft_takes_long_or_floods_the_model() -> None:
    flood = draft("In 1937 it fell. " * 5_000, *[("p1", f"word{n} is not there " * 100) for n in range(5_000)])
    told = [problems(check, flood) for check in GROUNDED]
    assert all(len(found) <= 8 and all(len(problem) <= 300 for problem in found) for found in told)
    assert "longer" in next(answers_something(draft("a" * 100_001)))
    assert claiming("In 1937 it fell. " * 10_000) == []


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=20))
def test_no_text_makes_a_check_raise_and_a_whole_passage_is_always_a_quote(text: str, answer: str, name: str) -> None:
    hostile = Draft("", answer, Request(messages=()), (passage("p1", text),), (Cited("p1", answer), Cited(name, text)))
    assert all(isinstance(said, str | Evidence) for check in GROUNDED for said in check(hostile))
