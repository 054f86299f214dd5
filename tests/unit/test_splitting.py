"""How texts are cut into passages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.adapters.retrieval.markdown import read_markdown
from agent.adapters.retrieval.records import Piece
from agent.adapters.retrieval.splitting import MOST_CHARS, TARGET_CHARS, Section, paragraphs, split


def cut(text: str) -> tuple[Piece, ...]:
    return split(text, [Section("", paragraphs(text))])


def cut_markdown(text: str) -> tuple[Piece, ...]:
    return split(text, read_markdown(text).sections)


def sentence(number: int) -> str:
    return f"Sentence number {number} says something that takes a while to say."


def test_short_paragraphs_share_a_passage_of_about_the_target() -> None:
    text = "\n\n".join(sentence(number) for number in range(60))
    sizes = [len(piece.text) for piece in cut(text)]
    assert all(TARGET_CHARS / 2 < size <= TARGET_CHARS for size in sizes[:-1])


def test_a_paragraph_that_fits_is_kept_whole() -> None:
    long = " ".join(sentence(number) for number in range(20))
    assert TARGET_CHARS < len(long) < MOST_CHARS
    assert long in [piece.text for piece in cut(f"{sentence(1)} " * 5 + f"\n\n{long}\n\n" + f"{sentence(2)} " * 5)]


def test_a_long_paragraph_is_cut_at_sentence_ends() -> None:
    pieces = cut(" ".join(sentence(number) for number in range(100)))
    assert len(pieces) > 3
    assert all(piece.text.startswith("Sentence") and piece.text.endswith("say.") for piece in pieces)


@pytest.mark.parametrize("unit", ["吾輩は猫である。名前はまだ無い。", "สวัสดีชาวโลก", "ああああ", "e\u0301"])
def test_text_without_any_blank_is_cut_too(unit: str) -> None:
    pieces = cut(unit * 1_000)
    assert "".join(piece.text for piece in pieces) == unit * 1_000
    assert max(len(piece.text) for piece in pieces) <= MOST_CHARS


def test_chinese_is_cut_after_its_full_stops() -> None:
    assert all(piece.text.endswith("。") for piece in cut("他们在城里住了很多年。" * 400))


def test_no_letter_is_parted_from_its_accent() -> None:
    assert not any(piece.text.startswith("\u0301") for piece in cut("e\u0301" * 3_001))


def test_a_small_tail_is_not_left_alone() -> None:
    body = " ".join(sentence(number) for number in range(14))
    assert len(body) < TARGET_CHARS < len(body) + 60
    assert len(cut(f"{body}\n\n{sentence(1)}")) == 1


def test_a_small_beginning_stays_with_what_it_introduces() -> None:
    body = " ".join(sentence(number) for number in range(14))
    text = f"{sentence(1)}\n\n{body}"
    assert len(text) > TARGET_CHARS
    assert [piece.text for piece in cut(f"{text}\n\n{body}")] == [text, body]


def test_sections_are_never_mixed_and_their_headings_stand_apart() -> None:
    pieces = cut_markdown("# Guide\n\nHello.\n\n## Keys\n\nTurn them.\n\n### Old\n\nGone.\n\n## End\n\nBye.\n")
    assert [(piece.heading, piece.text) for piece in pieces] == [
        ("Guide", "Hello."),
        ("Guide › Keys", "Turn them."),
        ("Guide › Keys › Old", "Gone."),
        ("Guide › End", "Bye."),
    ]


def test_code_that_fits_is_kept_whole_with_its_indentation() -> None:
    code = "```py\n" + "\n\n".join(f"    step_{number}()" for number in range(70)) + "\n```"
    assert TARGET_CHARS < len(code) < MOST_CHARS
    filler = f"{sentence(0)} " * 8
    assert code in [piece.text for piece in cut_markdown(f"{filler}\n\n{code}\n\n{filler}")]


def test_a_large_table_and_a_large_list_are_cut_between_lines() -> None:
    rows = "\n".join(f"| key {number} | it ends. And then goes on |" for number in range(200))
    table = cut_markdown(f"| a | b |\n|---|---|\n{rows}\n")
    assert len(table) > 3
    assert all(piece.text.startswith("|") and piece.text.endswith("|") for piece in table)
    items = cut_markdown("\n".join(f"* item {number}. More of it." for number in range(300)))
    assert len(items) > 3
    assert all(piece.text.startswith("* item") and piece.text.endswith("it.") for piece in items)


def test_comments_never_stand_in_a_passage() -> None:
    pieces = cut_markdown("One.\n\n<!-- tell\n\nnobody -->\n\nTwo.\n")
    assert [piece.text for piece in pieces] == ["One.", "Two."]


awkward = st.text(st.sampled_from("ab .。\n#*|-`>é\u0301\u200b\u200dส、\t<!-\x85\u2028\x0c"), max_size=400)


@settings(deadline=None)
@given(awkward, st.integers(1, 30))
def test_passages_are_slices_in_order_that_lose_nothing(text: str, times: int) -> None:
    text *= times
    pieces = cut(text)
    place = 0
    for piece in pieces:
        assert piece.text == text[piece.start : piece.end]
        assert piece.text.strip()
        assert not text[place : piece.start].strip()
        assert len(piece.text) <= MOST_CHARS
        place = piece.end
    assert not text[place:].strip()


@settings(deadline=None)
@given(awkward, st.integers(1, 30))
def test_markdown_passages_are_slices_of_the_file(text: str, times: int) -> None:
    text *= times
    place = 0
    for piece in cut_markdown(text):
        assert piece.text == text[piece.start : piece.end]
        assert piece.start >= place
        assert len(piece.text) <= MOST_CHARS
        place = piece.end
