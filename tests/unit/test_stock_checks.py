"""Checks with settings, and those that look at names, dates, contradicted numbers and the language of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from agent import Agent
from agent.checks import (
    Check,
    Cited,
    Draft,
    claims_are_cited,
    forbidden,
    language,
    language_is_the_questions,
    length,
    matches_schema,
    names_are_cited,
)
from agent.checks.judging import judge
from agent.errors import Misconfigured
from agent.events import Evidence, Passage
from agent.prompting import SHIPPED, PromptBook
from agent.request import Message, Request

TOWER = (
    "The tower was opened on 6 June 1936 by Ada Lovelace’s grandson. It cost 49 pounds, has 12 floors and 3 lifts, "
    "and was sold on 14 July 1999. In Москва nobody knew."
)
BRUECKE = "Die Brücke über den Fluss wurde von Johann Schmidt gebaut. Der Bürgermeister hielt eine lange Rede."


def draft(answer: str, *, question: str = "", texts: tuple[str, ...] = (TOWER,), **fields: Any) -> Draft:
    passages = tuple(
        Passage(id=f"psg_{n}", label=f"p{n}", document_id="d", title="Towers", source="t.md", text=text)
        for n, text in enumerate(texts, start=1)
    )
    cited = tuple(Cited(it.label, it.text) for it in passages)
    messages = (Message(role="user", content=question),)
    request = Request(messages=messages, instructions=fields.pop("instructions", None))
    return Draft("", answer, request, passages, cited, **fields)


def problems(check: Check, it: Draft) -> list[str]:
    return [said for said in check(it) if isinstance(said, str)]


# ------------------------------------------------------------------------------------- names, dates, numbers


@pytest.mark.parametrize(
    "answer",
    [
        "It was opened by the grandson of Ada Lovelace.",
        "Lovelace's grandson did it, and Towers were his life.",
        "It was Ada (Lovelace) and no other.",
        "В Москве никто не знал.",
        "The CO2 and the MBH99 were not measured, and I do not know.",
        "One thing is sure: Nobody knew. “Everybody” is another word.",
        "THE TOWER WAS SOLD IN A HURRY",
        "塔は高いです。",
    ],
)
def test_a_name_that_a_cited_passage_has_in_whatever_form_passes(answer: str) -> None:
    assert problems(names_are_cited, draft(answer)) == []


def test_a_name_in_the_question_passes() -> None:
    assert problems(names_are_cited, draft("It is not in Paris.", question="Is it in Paris?")) == []


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("It was opened by Charles Babbage.", "Charles Babbage"),
        ("The grandson of Ada Byron opened it.", "Ada Byron"),
        ("They all went to Vienna for it.", "Vienna"),
    ],
)
def test_a_name_that_stands_nowhere_is_refused_with_its_place(answer: str, name: str) -> None:
    verdict = judge(names_are_cited, draft(answer))
    assert [name in problem for problem in verdict.problems] == [True]
    (evidence,) = verdict.evidence
    assert (answer[evidence.start : evidence.end], evidence.status) == (name, "unfounded")


def test_where_nouns_are_capitalised_a_single_one_is_no_name() -> None:
    texts = (BRUECKE,)
    assert problems(names_are_cited, draft("Gebaut hat sie ein Mann für die Einwohner der Stadt.", texts=texts)) == []
    assert problems(names_are_cited, draft("Gebaut hat die Brücke damals Otto Lehmann.", texts=texts))


@pytest.mark.parametrize("date", ["6 June 1936", "June 6, 1936", "6th of June 1936", "6 Jun 1936", "14. July 1999"])
def test_a_date_of_the_passage_passes_however_it_is_written(date: str) -> None:
    assert problems(claims_are_cited, draft(f"It happened on {date}.")) == []


@pytest.mark.parametrize("date", ["6 May 1936", "May 6, 1936", "6 de mayo de 1936", "6. Mai 1936"])
def test_a_date_with_another_month_is_refused(date: str) -> None:
    assert any("the date" in it for it in problems(claims_are_cited, draft(f"It happened on {date}.")))


def test_a_month_in_words_may_be_a_number_in_the_passage() -> None:
    assert (
        problems(claims_are_cited, draft("It was on 6 June 1936.", texts=("It was opened, 6.6.1936, at noon.",))) == []
    )


@pytest.mark.parametrize("answer", ["It has 3 floors.", "It cost 12 pounds.", "The tower has 12 floors and 49 lifts."])
def test_a_number_of_the_passage_in_the_place_of_another_one_is_refused(answer: str) -> None:
    verdict = judge(claims_are_cited, draft(answer))
    assert len(verdict.problems) == 1
    assert verdict.evidence[0].status == "unfounded"


def test_a_claim_that_holds_has_both_its_ends_as_evidence() -> None:
    verdict = judge(claims_are_cited, draft("Nice. It has 12 floors."))
    (evidence,) = verdict.evidence
    assert evidence == Evidence(
        status="found", start=6, end=23, passage_id="psg_1", passage_start=0, passage_end=len(TOWER)
    )


# ------------------------------------------------------------------------------------------------- languages

QUESTION = "Who opened the tower, and when did it happen?"
GERMAN = "Der Turm wurde erst nach langer Zeit feierlich eingeweiht."


@pytest.mark.parametrize(
    "foreign",
    [GERMAN, "Ce n'est qu'après de longues années qu'on l'a ouverte.", "その塔は長い間待った後に開かれました。"],
)
def test_an_answer_in_another_language_than_the_question_is_refused(foreign: str) -> None:
    assert problems(language_is_the_questions, draft(foreign, question=QUESTION)) == [
        "the answer must be in the language of the question, which is English"
    ]


@pytest.mark.parametrize(
    ("answer", "question", "more"),
    [
        ("It was opened by her grandson after a very long time.", QUESTION, {}),
        (GERMAN, "Wann wurde der Turm eingeweiht?", {}),
        (GERMAN, f"{QUESTION} Answer in German.", {}),
        (GERMAN, QUESTION, {"instructions": "Antworte auf Deutsch."}),
        ("Москва", QUESTION, {}),
        ("Ada Lovelace", QUESTION, {}),
        (TOWER, "Wann wurde der Turm eingeweiht?", {}),
        (GERMAN, QUESTION, {"no_answer": True}),
        ("1936", QUESTION, {}),
    ],
)
def test_what_is_in_the_right_language_or_tells_none_passes(answer: str, question: str, more: dict[str, Any]) -> None:
    assert problems(language_is_the_questions, draft(answer, question=question, **more)) == []


def test_a_language_can_be_asked_for_by_its_code() -> None:
    assert problems(language("de"), draft(GERMAN)) == []
    assert problems(language("en", "fr"), draft(GERMAN)) == ["the answer must be in English or French"]
    with pytest.raises(Misconfigured, match="no language 'xx'"):
        language("xx")


# ----------------------------------------------------------------------------- length, patterns, schemas


def test_length_is_counted_in_words_and_in_characters() -> None:
    assert problems(length(most_words=3, least_chars=5), draft("one two three")) == []
    assert problems(length(most_words=3), draft("one two three four")) == [
        "the answer has 4 words; it must have at most 3"
    ]
    assert problems(length(least_words=3, most_chars=4), draft("one two")) == [
        "the answer has 7 characters; it must have at most 4",
        "the answer has 2 words; it must have at least 3",
    ]
    assert problems(length(most_words=1), draft("", no_answer=True)) == []


@pytest.mark.parametrize("limits", [{}, {"least_words": 3, "most_words": 2}])
def test_a_length_that_says_nothing_or_lets_nothing_pass_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(Misconfigured):
        length(**limits)


def test_what_is_forbidden_is_found_with_its_place() -> None:
    verdict = judge(forbidden(r"(?i)guarant\w+", "äö+"), draft("Wir: we GUARANTEE it, äöö."))
    assert verdict.problems == ('the answer must not say "GUARANTEE"', 'the answer must not say "äöö"')
    assert [(it.start, it.end) for it in verdict.evidence] == [(8, 17), (22, 25)]
    assert problems(forbidden("x"), draft("none")) == []


def test_a_pattern_that_would_run_away_elsewhere_takes_no_time_and_one_without_a_bound_is_refused() -> None:
    assert problems(forbidden(r"^(a+)+$"), draft("a" * 90_000 + "b")) == []
    for pattern in (r"(?=a)", r"(a)\1", "(", r"((((a{100}){100}){100}){100})"):
        with pytest.raises(Misconfigured):
            forbidden(pattern)


def test_an_answer_can_be_held_against_a_schema() -> None:
    check = matches_schema({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    assert problems(check, draft('{"n": 1}')) == []
    assert len(problems(check, draft('{"n": "1"}'))) == 1
    assert "not JSON" in problems(check, draft("n"))[0]
    with pytest.raises(Misconfigured):
        matches_schema({"type": "nonsense"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (length(most_words=3), length(most_words=4)),
        (forbidden("a"), forbidden("b")),
        (language("de"), language("en")),
    ],
)
def test_settings_of_a_check_are_part_of_the_agents_version(one: Check, other: Check) -> None:
    book = PromptBook.load(SHIPPED)
    versions = {
        Agent(name="a", prompt="chat", checks=(check,)).bind(book, ("m",)).version for check in (one, other, one)
    }
    assert len(versions) == 2
