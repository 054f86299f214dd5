"""How text becomes search terms, in any script."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.adapters.retrieval.analyzer import WORD_CHARS, document_terms, query_terms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "Straße"),
        ("ﬁle", "file"),
        ("ＡＢＣ１２", "abc12"),
        ("Zu\u0308rich", "Zürich"),
        ("مُحَمَّد", "محمد"),
        ("١٢٣", "123"),
        ("co\u00adoperate", "cooperate"),
        ("ｶﾞ", "ガ"),
    ],
)
def test_spellings_of_one_word_are_one_term(one: str, other: str) -> None:
    assert query_terms(one) == query_terms(other)


@pytest.mark.parametrize(
    ("asked", "written"),
    [("workers", "worker"), ("zurich", "Zürich"), ("cafe", "café"), ("Häuser", "Hauser"), ("рабочих", "рабочий")],
)
def test_other_forms_of_a_word_share_pieces_with_it(asked: str, written: str) -> None:
    assert set(query_terms(asked).words).isdisjoint(document_terms(written).words)
    assert set(query_terms(asked).pieces) & set(document_terms(written).pieces)


def test_a_number_is_found_whole_or_not_at_all() -> None:
    assert query_terms("2024").pieces == []
    assert document_terms("K8s costs 12345").pieces == document_terms("costs").pieces


@pytest.mark.parametrize(
    ("asked", "written"),
    [("東京", "私は東京に住む"), ("犬", "犬が好き"), ("カメラ", "新しいカメラです"), ("サーバ", "ｻｰﾊﾞを止める")],
)
def test_words_are_found_inside_text_without_blanks(asked: str, written: str) -> None:
    assert set(query_terms(asked).words) <= set(document_terms(written).words)


@pytest.mark.parametrize("written", ["สวัสดีชาวโลก", "ສະບາຍດີຊາວໂລກ", "မင်္ဂလာပါကမ္ဘာ", "សួស្តីពិភពលោក"])
def test_south_east_asian_text_is_found_by_any_three_characters(written: str) -> None:
    assert query_terms(written[3:6]).words == [written[3:6]]
    assert written[3:6] in document_terms(written).words


def test_hindi_words_keep_their_vowel_signs() -> None:
    assert query_terms("हिन्दी में").words == ["हिन्दी", "में"]


def test_operators_and_punctuation_leave_no_terms() -> None:
    assert query_terms('"a:b" AND -(c*) ^2 ~ \\ /x/ ☂') == (["a", "b", "and", "c", "2", "x"], ["_and", "and_"])
    assert query_terms(" \x00\n?!☂ ") == ([], [])


def test_query_terms_are_each_named_once() -> None:
    assert query_terms("feed the feed the Feed").words == ["feed", "the"]


def test_endless_words_are_cut() -> None:
    assert document_terms("x" * 100_000).words == ["x" * WORD_CHARS]


@settings(deadline=None)
@given(st.text())
def test_a_text_is_found_by_itself_and_every_term_is_one_token(text: str) -> None:
    asked, written = query_terms(text), document_terms(text)
    assert set(asked.words) <= set(written.words)
    assert set(asked.pieces) <= set(written.pieces)
    assert all(term.split() == [term] for term in [*written.words, *written.pieces])
