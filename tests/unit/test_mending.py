"""What is mended in a model's words before they are read, and what never is."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Literal

import json_repair
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks.lenient import MOST_CHARS, lenient
from agent.checks.mending import unwrapped
from agent.events import AnswerDrafted
from agent.steps.mend import mended

OBJECT = '{"answer":"In {1936}, \\"he\\" said.","a":[1,2.50,true]}'


@pytest.mark.parametrize(
    ("raw", "mends"),
    [
        (OBJECT, ()),
        (f"  {OBJECT}\n", ()),
        (f"```json\n{OBJECT}\n```", ("fence",)),
        (f"<think>{{}}</think>{OBJECT}", ("thoughts",)),
        (f"<think>?</think>\n```\n{OBJECT}\n```", ("thoughts", "fence")),
        (f"Here you are: {OBJECT} Bye.", ("prose",)),
    ],
)
def test_what_was_taken_off_is_named(raw: str, mends: tuple[str, ...]) -> None:
    found = unwrapped(raw)
    assert (found.text.strip(), found.mends) == (OBJECT, mends)


@pytest.mark.parametrize("raw", [OBJECT[:-1], f"{OBJECT} {OBJECT}", f"<think>{OBJECT}", "12 apples", ""])
def test_words_that_hold_no_json_stay_as_they_are(raw: str) -> None:
    assert unwrapped(raw) == (raw, ())


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('{"a": [1, 2,], "b": {"c": "d",},}', {"a": [1, 2], "b": {"c": "d"}}),
        ('{"a": "x" "b": ["y" "z"]}', {"a": "x", "b": ["y", "z"]}),
        ('{"a": "x",, "b": 1.50}', {"a": "x", "b": 1.5}),
        ("{'a': \"it's\", 'b': True, 'c': None, 'd': False}", {"a": "it's", "b": True, "c": None, "d": False}),
        ('{a: 1, b_2: "c"}', {"a": 1, "b_2": "c"}),
        ("{“a”: “b”}", {"a": "b"}),
        ('{"a": "one\ntwo\tthree"}', {"a": "one\ntwo\tthree"}),
        ('{"a": "he said "no", then left", "b": 1}', {"a": 'he said "no", then left', "b": 1}),
        ('{"a": "say \\"hi\\"", "b": "\\u00e9",}', {"a": 'say "hi"', "b": "é"}),
    ],
)
def test_slips_of_the_pen_are_mended_and_marked(raw: str, value: Any) -> None:
    found = lenient(raw)
    assert found is not None
    assert (orjson.loads(found.text), found.mends) == (value, ("lenient",))
    fenced = lenient(f"<think>so</think>```json\n{raw}\n```")
    assert fenced is not None
    assert (fenced.text, fenced.mends) == (found.text, ("thoughts", "fence", "lenient"))


@pytest.mark.parametrize(
    "raw",
    [
        '{"a":"The capital of Fra',  # completed
        '{"a": {"b": 1}',
        '{"a": [1,2,3,}',
        "12 apples",  # taken for a number
        '{"a": 12 apples}',
        '{"a": 1,234}',
        '{"a": $5,}',
        '{"a": 01,}',
        '{"a": 1e999,}',
        '{"a": 1,} {"a": 2,}',  # two of them
        '{"a": 1,}\n{"a": 2,}',
        '<think>{"a": 1,}</think> {"b": 2,} {"c": 3,}',
        "I cannot say.",  # prose
        '"a", "b"',
        "",
        "{}",
        '{"a": 1, "a": 2,}',  # a name twice
        '{"a" 1 "b": 2}',  # a name that swallowed another
        '{"answer": "yes", "citations: [], "no_answer": false}',
        '{"a": "b": "c"}',
        '{"a":"b" + "c"}',
        '{"a": yes}',  # a string without quotes
        '{"a": "b" "c"}',  # something left out
        '{"a": 1 // why\n}',
        '{"a": }',
        '{"a": "\\ud800",}',
        '{"a": "C:\\users",}',
        "[1, 2,]",  # no object
        "{'a': 'it's'}",
        "[{" * 3_000,
        '{"a": ' + "(" * 3_000 + "}",
        "{" * 65 + "}" * 65,
        '{"a": "' + "x" * MOST_CHARS + '",}',
        OBJECT,  # nothing to mend
    ],
)
def test_nothing_is_completed_left_out_or_guessed(raw: str) -> None:
    assert lenient(raw) is None


SLIPPED = (
    '{"answer": "He said "no" {1936}", "citations": [{"passage_id": "p1", "quote": "a b c"},], "no_answer": False,}'
)


@given(st.integers(min_value=0, max_value=len(SLIPPED) - 1))
def test_no_beginning_of_a_text_is_taken_for_the_whole(length: int) -> None:
    assert lenient(SLIPPED) is not None
    assert lenient(SLIPPED[:length]) is None


values = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text("ab 1{}[]:,'\"\\\né", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), values, min_size=1))
def test_what_is_mended_is_what_was_meant(value: dict[str, Any]) -> None:
    text = orjson.dumps(value).decode()
    for slipped in (f"{text[:-1]},}}", text.replace("true", "True").replace("null", "None"), text.replace("\\n", "\n")):
        found = lenient(slipped)
        assert found is None or orjson.loads(found.text) == value


def drafted(raw: str, finish_reason: Literal["stop", "length"] = "stop") -> AnswerDrafted:
    return AnswerDrafted(draft=raw, finish_reason=finish_reason, model="m", endpoint="e", prompt="p@1")


async def test_only_words_that_a_model_ended_itself_are_mended() -> None:
    slipped = '{"a": 1,}'
    assert await mended(drafted(slipped)) == ('{"a": 1}', ("lenient",))
    assert await mended(drafted(slipped, "length")) == (slipped, ())
    assert await mended(drafted(OBJECT)) == (OBJECT, ())


async def test_other_runs_go_on_while_a_text_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = threading.Event()

    def slow(text: str, **options: Any) -> Any:
        assert going_on.wait(timeout=20), "the loop stood still"
        return {"a": 1}

    monkeypatch.setattr(json_repair, "loads", slow)
    mending = asyncio.ensure_future(mended(drafted('{"a": 1,}')))
    await asyncio.sleep(0)
    going_on.set()
    assert (await mending).mends == ("lenient",)
