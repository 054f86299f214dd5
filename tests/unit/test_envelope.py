"""Sealing an event, and reading it back: by this release, an older one and a newer one."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.envelope import Key, Sealed, index, scrub, seal, unseal
from agent.errors import Undecodable, Unfamiliar
from agent.events import CATALOGUE, AnswerDrafted, Event, PassagesFound, RunFailed

TYPES = index(CATALOGUE)


def test_a_key_reads_as_its_parts_and_sorts_within_a_run() -> None:
    assert str(Key("resp_1", 2, 3)) == "resp_1/2/3"
    assert Key("resp_1", 1, 10) > Key("resp_1", 1, 9)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_a_sealed_event_is_read_back_as_it_was(text: str) -> None:
    event = RunFailed(code="c", message=text, repairs=3)
    assert unseal(seal(event), TYPES) == event


def test_a_sealed_event_names_its_type_its_version_and_who_made_it() -> None:
    draft = AnswerDrafted(draft="x", model="m", endpoint="e", prompt="answer@1.0.0+ab")
    sealed = seal(draft, agent="documents@1", trace="00-t")
    assert (sealed.type, sealed.version) == ("answer.drafted", 1)
    assert (sealed.agent, sealed.prompt, sealed.trace) == ("documents@1", "answer@1.0.0+ab", "00-t")


def test_an_event_that_names_no_prompt_has_those_of_its_run() -> None:
    sealed = seal(RunFailed(code="c", message="m"), prompts={"b": "1.0.0+cd", "a": "2.0.0+ab"})
    assert sealed.prompt == "a@2.0.0+ab,b@1.0.0+cd"


def test_characters_that_no_store_takes_are_replaced() -> None:
    sealed = seal(RunFailed(code="c", message="a\x00b"))
    assert "\\u0000" not in sealed.data and "\x00" not in sealed.data
    read = unseal(sealed, TYPES)
    assert isinstance(read, RunFailed) and read.message == "a\ufffdb"


def test_a_backslash_that_only_looks_like_a_nul_is_left_alone() -> None:
    event = RunFailed(code="c", message="write \\u0000 for NUL \\\\u0000")
    assert unseal(seal(event), TYPES) == event


@given(st.text())
def test_scrubbed_text_can_be_stored(text: str) -> None:
    clean = scrub(text)
    clean.encode()
    assert "\x00" not in clean


def test_an_older_version_is_brought_up_to_date() -> None:
    data = orjson.dumps({"query": "q", "index_version": 4, "passages": []}).decode()
    read = unseal(Sealed("passages.found", 1, data), TYPES)
    assert read == PassagesFound(query="q", collection="default", index_version=4, passages=())


@pytest.mark.parametrize("sealed", [Sealed("answer.dreamt", 1, "{}"), Sealed("run.failed", 2, "{}")])
def test_what_a_newer_release_wrote_is_unfamiliar(sealed: Sealed) -> None:
    with pytest.raises(Unfamiliar, match=sealed.type):
        unseal(sealed, TYPES)


@pytest.mark.parametrize("data", ["", "{", "null", "[]", "3", '{"code": 3}', '{"code":"c","message":"m","more":1}'])
def test_what_is_not_what_its_type_promises_is_undecodable_and_is_not_quoted(data: str) -> None:
    with pytest.raises(Undecodable, match=r"run\.failed"):
        unseal(Sealed("run.failed", 1, data), TYPES)


@pytest.mark.parametrize("data", ["null", "[]", "3"])
def test_old_data_that_cannot_be_brought_up_to_date_is_undecodable(data: str) -> None:
    with pytest.raises(Undecodable):
        unseal(Sealed("passages.found", 1, data), TYPES)


def test_two_events_of_one_name_are_refused() -> None:
    class Other(Event):
        type = "run.failed"

    with pytest.raises(ValueError, match=r"run\.failed"):
        index([RunFailed, Other])
