"""What is in a stream: a function of the run alone, with each promise of the specification about its events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.envelope import Envelope, Key, Sealed, seal
from agent.errors import Undecodable, Unfamiliar
from agent.events import (
    AnswerAccepted,
    AnswerDrafted,
    DraftRejected,
    Ending,
    Event,
    PassagesFound,
    Problem,
    RequestReceived,
    RunCancelled,
    RunFailed,
    VerdictGiven,
)
from agent.items import FunctionCall
from agent.ports import RunView
from agent.request import Message, Request
from api.streaming.frames import DONE, frame
from api.streaming.items import item_events
from api.streaming.pieces import MOST_CHARS, pieces
from api.streaming.telling import tell, version_for
from tests import spec
from tests.unit.test_projection import AT, CITATION, view

GOLDEN = Path(__file__).parents[1] / "data" / "stream_1.sse"
DRAFT = "zephyrs juggle marmalade"
LONG = "Two years, as it says on page one. " * 9
CALL = FunctionCall(call_id="call_1", name="weather", arguments='{"city": "Ulm"}')
FULL = AnswerAccepted(
    text=LONG, citations=(CITATION,), reasoning=("It is on page one.",), calls=(CALL,), checks=("quotes",), repairs=1
)
HAPPENED: tuple[Event, ...] = (
    RequestReceived(agent="documents"),
    PassagesFound(query=DRAFT, collection="default", index_version=7, passages=()),
    AnswerDrafted(draft=DRAFT, model="m1", endpoint="e1", prompt="answer@1"),
    DraftRejected(
        problems=(Problem(check="quotes", message=DRAFT), Problem(check="numbers", message=DRAFT)), repairs=0
    ),
    AnswerDrafted(draft=LONG, model="m1", endpoint="e1", prompt="repair@1", repairs=1),
)
ENDINGS: list[Ending] = [
    AnswerAccepted(text="Two years."),
    AnswerAccepted(text="Two", incomplete="max_output_tokens"),
    RunFailed(code="no_valid_answer", message="No."),
    RunCancelled(by="client"),
    AnswerAccepted(text="", calls=(CALL,)),
    FULL,
]


def asked(**more: Any) -> Request:
    return Request(messages=(Message(role="user", content="How long?"),), **more)


def happened(*events: Event) -> list[Envelope]:
    return [Envelope(Key("resp_0190a1b2", 1, seq), seal(event), AT) for seq, event in enumerate(events, start=1)]


def sent(run: RunView, events: list[Envelope] | None = None) -> bytes:
    return b"".join(map(frame, tell(run, events or []))) + DONE


def kinds(told: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in told]


def golden() -> bytes:
    """A stream with everything in it; of the Response objects only what tells them apart."""
    told = tell(view(FULL, asked(background=True, include=("cuelight.progress",))), happened(*HAPPENED, FULL))
    for event in told:
        if response := event.get("response"):
            event["response"] = {name: response[name] for name in ("id", "status")}
    return b"".join(map(frame, told))


# ----------------------------------------------------------------------------------------------- pieces


@given(st.text(max_size=400))
def test_pieces_join_to_the_text_and_none_is_empty_or_large(text: str) -> None:
    found = list(pieces(text))
    assert "".join(found) == text
    assert all(0 < len(piece) <= 2 * MOST_CHARS for piece in found)


@given(st.lists(st.text("abcé", min_size=1, max_size=20), min_size=1))
def test_pieces_begin_and_end_between_words(words: list[str]) -> None:
    found = list(pieces(" ".join(words)))
    assert all(piece.endswith(" ") and not piece.startswith(" ") for piece in found[:-1])


# ------------------------------------------------------------------------------------------- lifecycle


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.type)
def test_every_stream_is_what_the_specification_and_the_client_expect(
    ending: Ending, background: bool, progress: bool
) -> None:
    include = ("cuelight.progress",) if progress else ()
    run = view(ending, asked(background=background, include=include))
    told = spec.check_stream(sent(run, happened(*HAPPENED, ending)))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    beginning = ["response.created", *["response.queued"] * background, "response.in_progress"]
    assert kinds(told)[: len(beginning)] == beginning
    assert told[0]["response"]["status"] == ("queued" if background else "in_progress")
    assert told[-1]["response"]["status"] == ending.status
    assert any(kind.startswith("cuelight:") for kind in kinds(told)) is progress


@pytest.mark.parametrize(
    ("ending", "kind"),
    list(zip(ENDINGS[:4], ["completed", "incomplete", "failed", "failed"], strict=True)),
    ids=["accepted", "cut", "failed", "cancelled"],
)
def test_each_ending_has_its_terminal_event_with_the_response_as_it_is_read(ending: Ending, kind: str) -> None:
    last = tell(view(ending))[-1]
    assert last["type"] == f"response.{kind}"
    assert (last["response"]["error"] is None) is (ending.status != "failed")


@given(st.data())
def test_a_run_that_has_come_further_has_the_same_stream_and_more(data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from(ENDINGS))
    asked_for = asked(
        background=data.draw(st.booleans()), include=data.draw(st.sampled_from([(), ("cuelight.progress",)]))
    )
    events = happened(*HAPPENED, ending)
    whole = tell(view(ending, asked_for), events)
    for come in range(1, len(events) + 1):
        open_run = replace(view(None, asked_for), begun=data.draw(st.booleans()))
        so_far = tell(open_run, events[:come])
        assert whole[: len(so_far)] == so_far
        assert all(event["type"].partition(".")[0] != "error" for event in so_far)


def test_a_run_in_the_background_is_in_progress_once_it_is_begun() -> None:
    run = view(None, asked(background=True))
    assert kinds(tell(replace(run, begun=False))) == ["response.created", "response.queued"]
    assert kinds(tell(run)) == ["response.created", "response.queued", "response.in_progress"]


def test_events_of_a_run_are_proof_that_it_was_begun() -> None:
    run = replace(view(None, asked(background=True, include=("cuelight.progress",))), begun=False)
    assert kinds(tell(run, happened(*HAPPENED[:2])))[2:] == ["response.in_progress", "cuelight:step"]


# ------------------------------------------------------------------------------------------- progress


def test_progress_tells_steps_attempts_and_verdicts_and_not_a_word_of_them() -> None:
    run = view(FULL, asked(include=("cuelight.progress",)))
    events = happened(*HAPPENED, FULL)
    told = [event for event in tell(run, events) if event["type"].startswith("cuelight:")]
    assert [(event["type"], event["step"], event.get("attempt"), event.get("verdict")) for event in told] == [
        ("cuelight:step", 2, None, None),
        ("cuelight:attempt", 3, 1, None),
        ("cuelight:verdict", 4, 1, "rejected"),
        ("cuelight:attempt", 5, 2, None),
        ("cuelight:verdict", 6, 2, "accepted"),
    ]
    assert told[2]["checks"] == ["numbers", "quotes"]
    assert DRAFT.encode() not in sent(run, events)


def test_an_event_of_an_agents_own_is_a_step_and_is_not_even_read() -> None:
    run = view(None, asked(include=("cuelight.progress",)))
    own = Envelope(Key("resp_0190a1b2", 1, 2), Sealed("weather.asked", 9, DRAFT), AT)
    told = tell(run, [*happened(HAPPENED[0]), own])
    assert told[-1] == {"type": "cuelight:step", "sequence_number": 2, "step": 2, "event": "weather.asked"}


# ---------------------------------------------------------------------------------------------- items


def test_text_comes_in_pieces_then_its_annotations_then_the_whole() -> None:
    told = tell(view(AnswerAccepted(text=LONG, citations=(CITATION,))))[2:-1]
    assert kinds(told)[:2] == ["response.output_item.added", "response.content_part.added"]
    assert kinds(told)[-4:] == [
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    deltas = [event["delta"] for event in told if event["type"] == "response.output_text.delta"]
    assert len(deltas) > 3
    assert "".join(deltas) == LONG
    assert told[0]["item"]["content"] == []
    assert told[0]["item"]["status"] == "in_progress"
    assert told[-1]["item"]["content"][0]["text"] == LONG


def test_a_call_of_a_function_comes_with_its_name_first_and_its_arguments_in_pieces() -> None:
    told = tell(view(AnswerAccepted(text="", calls=(CALL,))))[2:-1]
    assert kinds(told) == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    assert (told[0]["item"]["name"], told[0]["item"]["arguments"]) == ("weather", "")
    assert told[2]["arguments"] == CALL.arguments


def test_a_refusal_comes_as_one() -> None:
    part = {"type": "refusal", "refusal": "I would rather not say."}
    item = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}
    told = [{"sequence_number": n, **event} for n, event in enumerate(item_events(item, 0))]
    assert kinds(told)[2:4] == ["response.refusal.delta", "response.refusal.done"]
    assert told[1]["part"] == {"type": "refusal", "refusal": ""}
    for event in told:
        spec.check_event(event)


def test_thoughts_come_as_parts_of_a_summary_and_what_is_encrypted_only_in_the_end() -> None:
    summary = [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}]
    item = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "secret"}
    told = [{"sequence_number": n, **event} for n, event in enumerate(item_events(item, 0))]
    assert kinds(told).count("response.reasoning_summary_part.added") == 2
    assert "".join(event.get("delta", "") for event in told) == "First.Then."
    assert told[0]["item"] == {"type": "reasoning", "id": "rs_1", "summary": []}
    assert told[-1]["item"]["encrypted_content"] == "secret"
    for event in told:
        spec.check_event(event)


def test_an_item_of_a_kind_that_is_unknown_here_is_told_whole() -> None:
    item = {"type": "acme:search", "id": "x_1", "content": "all of it", "status": "completed"}
    assert list(item_events(item, 3)) == [
        {"type": "response.output_item.added", "output_index": 3, "item": item},
        {"type": "response.output_item.done", "output_index": 3, "item": item},
    ]


# -------------------------------------------------------------------------------------------- versions


PASSED = VerdictGiven(check="quotes", passed=True, repairs=1)


def test_single_verdicts_stand_in_no_progress_of_version_2_and_are_steps_in_version_1() -> None:
    def told(version: int) -> list[dict[str, Any]]:
        request = asked(include=("cuelight.progress",), stream_version=version)
        return tell(view(FULL, request), happened(*HAPPENED, PASSED, FULL))

    assert sum(event.get("event") == "verdict.given" for event in told(1)) == 1
    assert [event for event in told(2) if event.get("event") == "verdict.given"] == []
    assert kinds(told(1)).count("cuelight:verdict") == kinds(told(2)).count("cuelight:verdict") == 2


@pytest.mark.parametrize(
    ("include", "version"), [((), 1), (("file_citation",), 1), (("cuelight.progress",), 2), (("cuelight.verdicts",), 2)]
)
def test_a_run_is_opened_in_the_oldest_version_that_tells_it(include: tuple[str, ...], version: int) -> None:
    assert version_for(include) == version


def test_a_stream_of_a_newer_version_is_not_told_here() -> None:
    with pytest.raises(Unfamiliar):
        tell(view(FULL, asked(stream_version=3)))


def test_an_event_that_is_not_what_it_promises_is_not_told() -> None:
    broken = Envelope(Key("resp_0190a1b2", 1, 2), Sealed("draft.rejected", 1, '{"problems": 1}'), AT)
    with pytest.raises(Undecodable):
        tell(view(None, asked(include=("cuelight.progress",))), [*happened(HAPPENED[0]), broken])


def test_runs_of_version_1_are_told_in_every_release_as_they_were_in_the_first() -> None:
    assert golden() == GOLDEN.read_bytes()


def test_runs_of_the_release_before_there_were_streams_have_one() -> None:
    old = orjson.dumps({"messages": [{"role": "user", "content": "How long?"}], "store": True}).decode()
    told = spec.check_stream(sent(replace(view(AnswerAccepted(text=LONG)), request=old)))
    assert "".join(event.get("delta", "") for event in told) == LONG


# ---------------------------------------------------------------------------------------- the watchdog


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sent: sent.removesuffix(DONE),
        lambda sent: sent.replace(b'"sequence_number":3', b'"sequence_number":4'),
        lambda sent: sent.replace(b"\n", b"\r\n"),
        lambda sent: sent.replace(b"event: response.in_progress", b"event: response.queued"),
        lambda sent: sent.replace(b'"output_index":0,', b"", 1),
        lambda sent: sent.replace(b'"logprobs":[],', b"", 1),
        lambda sent: sent.replace(b"response.completed", b"response.cancelled"),
        lambda sent: sent[sent.index(b"\n\n") + 2 :],
        lambda sent: sent.removesuffix(DONE) * 2 + DONE,
    ],
)
def test_a_stream_that_is_spoilt_is_found_out(spoil: Any) -> None:
    whole = sent(view(AnswerAccepted(text="Two years.")))
    spec.check_stream(whole)
    with pytest.raises((spec.Deviation, ValueError)):
        spec.check_stream(spoil(whole))
