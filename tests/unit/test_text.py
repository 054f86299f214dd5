"""Words, numbers and sentences of any script keep their places."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.text import is_claim, marks, numbers, quotations, sentences, tokens, width, without_marks


def words(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def said(text: str) -> list[str]:
    return [span.of(text) for span in sentences(text)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Dam", "the dam"),
        ("STRASSE", "Straße"),
        ("ﬁnal oﬀer", "final offer"),
        ("exam\u00adple", "example"),
        ("zero\u200bwidth \u202eis hidden\u202c", "zerowidth is hidden"),
        ("cafe\u0301", "café"),
        ("한국", unicodedata.normalize("NFD", "한국")),
        ("ＡＢＣ １２３", "abc 123"),
        ("٣٠٨ points", "308 points"),
        ("well—known", "well - known"),
        ("don’t “stop”", 'don\'t "stop"'),
        ("from 1990–1995", "from 1990-1995"),
        ("−5 °C", "-5 ℃"),
        ("1’000 and 10\u202f000", "1'000 and 10 000"),
        ("ｶﾞ", "ガ"),
        ("50 %", "50%"),
    ],
)
def test_spellings_of_the_same_words_are_equal(one: str, other: str) -> None:
    assert words(one) == words(other) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("308", "3080"),
        ("3.5", "35"),
        ("3.5", "3 5"),
        ("1,000", "1.000"),
        ("10 000", "10"),
        ("6½", "6"),
        ("1½", "11/2"),
        ("10²", "102"),
        ("10⁻²", "10²"),
        ("-5", "5"),
        ("5 %", "5 $"),
        ("€5", "£5"),
        ("p < 0.05", "p > 0.05"),
        ("a ≠ b", "a = b"),
        ("3/4", "3:4"),
        ("C++", "C#"),
        ("C++", "C"),
        ("25 ℃", "25 ℉"),
        ("m²", "m"),
        ("é", "e"),
        ("東京", "京東"),
    ],
)
def test_what_means_something_else_is_not_equal(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_scripts_without_blanks_have_a_token_for_each_character_and_its_marks() -> None:
    assert words("東京は2024年") == ["東", "京", "は", "2024", "年"]
    assert words("กี่บาท") == ["กี่", "บ", "า", "ท"]
    assert words("한국어 हिन्दी") == ["한국어", "हिन्दी"]


def test_places_count_code_points_of_the_text_as_it_was_given() -> None:
    text = "😀 ﬁne ㎏ e\u0301t\u00ade — Straße"
    assert [text[token.start : token.end] for token in tokens(text)] == ["ﬁne", "㎏", "e\u0301t\u00ade", "Straße"]


@given(st.text())
def test_tokens_of_any_text_are_in_order_and_inside_it(text: str) -> None:
    found = tokens(text)
    assert all(0 <= token.start < token.end <= len(text) and token.text for token in found)
    assert all(one.start <= other.start and one.end <= other.end for one, other in pairwise(found))


@given(st.text())
def test_canonical_forms_of_a_text_have_the_same_words(text: str) -> None:
    assert words(unicodedata.normalize("NFC", text)) == words(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000 and 1'000 and 1 000", {"1000"}),
        ("1,000.5", {"1000.5"}),
        ("1.250 is not grouped", {"1.250"}),
        ("1.250.000 is", {"1250000"}),
        ("the 1990s, the 19th and 3.5mm", {"1990", "19", "3.5"}),
        ("from -5 to 6½", {"-5", "6½"}),
        ("1990-1995", {"1990", "1995"}),
        ("٣٫٥", {"3.5"}),
        ("two", set()),
    ],
)
def test_numbers_are_brought_into_one_form(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 3.5 km. Then it ends.", ["It is 3.5 km.", "Then it ends."]),
        ("J. F. Kennedy met Dr. Smith. No. 5 lives.", ["J. F. Kennedy met Dr. Smith.", "No. 5 lives."]),
        ("The U.S. Army left, e.g. on foot. Yes!", ["The U.S. Army left, e.g. on foot.", "Yes!"]),
        ("Am 3. Mai kam sie. Er ging.", ["Am 3. Mai kam sie.", "Er ging."]),
        ("“Why?” he asked. “Now!” She left…", ["“Why?” he asked.", "“Now!”", "She left…"]),
        ("東京は首都です。人口は多い！本当？", ["東京は首都です。", "人口は多い！", "本当？"]),
        ("यह एक है। वह दो है।", ["यह एक है।", "वह दो है।"]),
        ("Built in 1936.[1] Tall [p2]. Wide. [3] End", ["Built in 1936.[1]", "Tall [p2].", "Wide. [3]", "End"]),
        ("# Title\n- one\n2. two\n> three", ["Title", "one", "two", "three"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["| a | b |", "| 1 | 2 |"]),
        ("```py\nx = 1\ny = 2\n```\nDone.", ["```py", "x = 1", "y = 2", "Done."]),
        ("a line that is\nwrapped here", ["a line that is\nwrapped here"]),
        ("Name: Ada\nBorn: 1815", ["Name: Ada", "Born: 1815"]),
        ("one\n\ntwo", ["one", "two"]),
        ("... --- !!!", []),
        ("It is tall.\n[1] [p2]", ["It is tall."]),
        ("", []),
    ],
)
def test_sentences_end_where_their_punctuation_or_their_paragraph_ends(text: str, expected: list[str]) -> None:
    assert said(text) == expected


@given(st.text(alphabet='aB1. !?。\n\r\t-#>|`[]*"”é\u2028'))
def test_sentences_hold_every_letter_of_their_text_once_and_in_order(text: str) -> None:
    spans = sentences(text)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert all(span.of(text) == span.of(text).strip() != "" for span in spans)


@pytest.mark.parametrize(
    "text",
    ["In 1936.", "٣ men", "½ of it", "He said “no”.", '"no"', "«non»", "「いいえ」", "Ⅳ", "Next March.", "On Mondays."],
)
def test_a_number_a_date_or_a_quotation_makes_a_claim(text: str) -> None:
    assert is_claim(text)


@pytest.mark.parametrize(
    "text", ["It is tall.", "It is tall [1].", "It is tall [p12, 3].", "It's the king’s.", "May I?", "March on."]
)
def test_without_number_date_or_quotation_there_is_no_claim(text: str) -> None:
    assert not is_claim(text)


def test_marks_are_read_and_blanked_without_moving_anything() -> None:
    text = "Tall [1, p2]. Wide[3]."
    assert marks(text) == ["1", "p2", "3"]
    assert without_marks(text) == "Tall        . Wide   ."


def test_quotations_come_without_their_marks() -> None:
    assert quotations("“a b”, „c d“ and \"e\" «f» 「g」 but it's not 'h'") == ["a b", "c d", "e", "f", "g"]


def test_an_ideograph_is_two_columns_wide() -> None:
    assert (width("abc"), width("東京"), width("한국")) == (3, 4, 4)
