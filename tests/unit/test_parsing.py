"""A model's words become a value strictly, or problems that the model can act on."""

from __future__ import annotations

from datetime import date
from typing import Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from agent.checks import CitedAnswer, parse, schema

GOOD = '{"answer":"In {1936}, \\"he\\" said.","citations":[{"passage_id":"p1","quote":"a } b"}],"no_answer":false}'


def problems(raw: str, finish_reason: Literal["stop", "length", "refusal", "content_filter"] = "stop") -> list[str]:
    found = parse(raw, finish_reason, CitedAnswer)
    assert isinstance(found, list)
    return found


def test_a_good_answer_is_read_as_it_stands() -> None:
    value = parse(GOOD, "stop", CitedAnswer)
    assert isinstance(value, CitedAnswer)
    assert value.answer == 'In {1936}, "he" said.'
    assert [(cited.passage_id, cited.quote) for cited in value.cited()] == [("p1", "a } b")]


@pytest.mark.parametrize(
    "raw",
    [
        f"\n  {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```\n",
        f"<think>perhaps {{}} or {GOOD}</think>\n{GOOD}",
        f"no opening tag {{</think>```json\n{GOOD}\n```",
        f"Here you are: {GOOD}\nI hope it helps.",
        f"``` json {GOOD} ```",
        f"\ufeff{GOOD}",
    ],
)
def test_what_stands_around_the_one_object_is_taken_off(raw: str) -> None:
    assert parse(raw, "stop", CitedAnswer) == CitedAnswer.model_validate_json(GOOD)


@pytest.mark.parametrize(
    "raw",
    [
        f"{GOOD} {GOOD}",
        f"{{}} {GOOD}",
        GOOD[:-1],
        f"Well: {GOOD[:-1]}",
        f"<think>{GOOD}</think> I cannot say.",
        f"<think>so {GOOD} is it",
        GOOD.replace('"no_answer":false', '"no_answer":false,'),
        GOOD.replace("false", "False"),
        GOOD.replace('"', "'"),
        GOOD.replace("false", "NaN"),
        "",
        "12 apples",
        "\ud800",
        '{"answer":"\\ud800","citations":[],"no_answer":false}',
        "[" * 5_000,
    ],
)
def test_nothing_is_guessed(raw: str) -> None:
    assert len(problems(raw)) == 1


@pytest.mark.parametrize("raw", [GOOD[:-1], f"```json\n{GOOD}\n```", f"Here: {GOOD}", ""])
def test_words_that_were_cut_off_are_never_mended(raw: str) -> None:
    assert problems(raw, "length") == ["the answer was cut off at the token limit; be shorter"]


@pytest.mark.parametrize(("finish_reason", "word"), [("refusal", "refused"), ("content_filter", "filter")])
def test_a_refusal_is_a_problem_whatever_was_said(
    finish_reason: Literal["refusal", "content_filter"], word: str
) -> None:
    assert word in problems(GOOD, finish_reason)[0]
    assert parse("Sorry.", finish_reason) == problems(GOOD, finish_reason)


def test_problems_name_the_place_and_what_is_wrong_there() -> None:
    raw = '{"answer":1,"citations":[{"passage_id":"p1"}],"no_answer":"false","a/b":2}'
    assert problems(raw) == [
        "/answer: Input should be a valid string",
        "/citations/0/quote: Field required",
        "/no_answer: Input should be a valid boolean",
        "/a~1b: Extra inputs are not permitted",
    ]


def test_a_flood_of_problems_is_eight_short_lines() -> None:
    extra = ",".join(f'"{n}{"x" * 5_000}\\n{n}":1' for n in range(50))
    found = problems(f'{{"answer":"a","citations":[],"no_answer":false,{extra}}}')
    assert len(found) == 8
    assert found[-1] == "and 43 more problems"
    assert all(len(problem) <= 200 and "\n" not in problem for problem in found)


def test_too_long_and_too_deep_answers_are_refused() -> None:
    assert "longer" in problems(" " * 1_000_001)[0]
    assert "deeper" in problems('{"answer":' + "[" * 201 + "]" * 201 + "}")[0]


def test_plain_text_is_its_own_value_even_if_it_was_cut() -> None:
    assert parse("Hello", "stop") == "Hello"
    assert parse("Hel", "length") == "Hel"


@given(st.text(alphabet='{}[]"\\:,ab`<think>/ \n'), st.sampled_from(["stop", "length"]))
def test_no_text_makes_parsing_raise(raw: str, finish_reason: Literal["stop", "length"]) -> None:
    assert isinstance(parse(raw, finish_reason, CitedAnswer), list)


class Booking(BaseModel):
    day: date
    rooms: int

    @field_validator("rooms")
    @classmethod
    def known(cls, rooms: int) -> int:
        return {1: 1, 2: 2}[rooms]


def test_types_are_strict_but_read_what_json_has_no_type_for() -> None:
    assert parse('{"day":"2026-11-24","rooms":2}', "stop", Booking) == Booking(day=date(2026, 11, 24), rooms=2)
    assert parse('{"day":"2026-11-24","rooms":"2"}', "stop", Booking) == ["/rooms: Input should be a valid integer"]


def test_a_validator_that_breaks_is_a_problem_and_no_crash() -> None:
    assert parse('{"day":"2026-11-24","rooms":3}', "stop", Booking) == ["/: KeyError: 3"]


def test_the_schema_is_canonical_and_fits_strict_mode() -> None:
    text = schema()
    tree = orjson.loads(text)
    assert orjson.dumps(tree, option=orjson.OPT_SORT_KEYS).decode() == text
    for item in (tree, *tree["$defs"].values()):
        assert item["additionalProperties"] is False
        assert set(item["required"]) == set(item["properties"])
    assert set(tree["properties"]) == {"answer", "citations", "no_answer"}
