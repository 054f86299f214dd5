"""What a client sees of a run: every field of the specification, with its nullability, and the same bytes each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from openai.types.responses import Response

from agent.envelope import Sealed, seal
from agent.errors import Undecodable, Unfamiliar
from agent.events import AnswerAccepted, Citation, Ending, RunFailed, Usage
from agent.items import FunctionCall, FunctionTool, Reasoning, ToolChoice
from agent.outcome import MESSAGES
from agent.ports import RunView
from agent.request import Message, Request
from api.projection import project
from tests.spec import check_response

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
NOT_NULL = {
    "id", "object", "created_at", "status", "model", "output", "tools", "tool_choice", "truncation",
    "parallel_tool_calls", "text", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs", "temperature",
    "store", "background", "service_tier", "metadata",
}  # fmt: skip
NULLABLE = {
    "completed_at", "incomplete_details", "previous_response_id", "instructions", "error", "reasoning", "usage",
    "max_output_tokens", "max_tool_calls", "safety_identifier", "prompt_cache_key",
}  # fmt: skip
CITATION = Citation(
    answer_start=3,
    answer_end=12,
    passage_id="psg 1/ä",
    document_id="doc_1",
    title="Warranty",
    source="docs/warranty.md",
    passage_start=40,
    passage_end=61,
    quote="two years",
)


def view(ending: Ending | None = None, request: Request | None = None, **changes: Any) -> RunView:
    asked = request or Request(messages=(Message(role="user", content="How long?"),))
    run = RunView(
        id="resp_0190a1b2",
        project="default",
        generation=1,
        agent="documents",
        agent_version="1.0.0+ab12cd34",
        request=asked.model_dump_json(),
        status=ending.status if ending else "in_progress",
        created_at=AT,
        deadline=AT + timedelta(minutes=10),
        store=asked.store,
        trace=f"00-{TRACE}-b7ad6b7169203331-01",
        ended_at=AT + timedelta(seconds=2.7) if ending else None,
        ending=seal(ending) if ending else None,
        usage=Usage(input_tokens=100, cached_tokens=40, output_tokens=20, reasoning_tokens=5),
        cost_usd=Decimal("0.0012500000"),
        calls=2,
        attempts=4,
    )
    return replace(run, **changes)


ANSWER = AnswerAccepted(
    text="In two years.", citations=(CITATION,), checks=("quotes", "numbers"), model="small-1", repairs=1
)
ENDINGS = [
    None,
    ANSWER,
    ANSWER.model_copy(update={"incomplete": "max_output_tokens"}),
    RunFailed(code="quota", message="The quota is used up.", repairs=2),
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_field_of_the_specification_is_there_with_its_nullability(ending: Ending | None) -> None:
    shown = project(view(ending))
    assert set(shown) == NOT_NULL | NULLABLE
    assert [name for name in NOT_NULL if shown[name] is None] == []
    Response.model_validate(shown)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_run_gives_the_same_bytes(ending: Ending | None) -> None:
    assert orjson.dumps(project(view(ending))) == orjson.dumps(project(view(ending)))


def test_an_open_run_shows_nothing_but_that_it_is_open() -> None:
    shown = project(view())
    assert (shown["status"], shown["output"], shown["usage"], shown["completed_at"]) == ("in_progress", [], None, None)
    assert set(shown["metadata"]) == {"cuelight.agent", "cuelight.agent_version", "cuelight.trace_id"}


def test_an_answer_is_one_message_with_its_times_and_its_bill() -> None:
    shown = project(view(ANSWER))
    (message,) = shown["output"]
    assert message["id"] == "msg_0190a1b2"
    assert (message["type"], message["role"], message["status"]) == ("message", "assistant", "completed")
    assert message["content"][0]["text"] == "In two years."
    assert (shown["created_at"], shown["completed_at"]) == (1_767_268_800, 1_767_268_802)
    assert shown["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 0},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    }


def test_an_incomplete_answer_says_why_and_has_no_completion_time() -> None:
    shown = project(view(ANSWER.model_copy(update={"incomplete": "max_output_tokens"})))
    assert shown["status"] == "incomplete"
    assert shown["incomplete_details"] == {"reason": "max_output_tokens"}
    assert shown["output"][0]["status"] == "incomplete"
    assert shown["completed_at"] is None


@pytest.mark.parametrize("code", [*MESSAGES, "something_new"])
def test_a_failure_has_a_code_of_the_closed_list_and_ours_in_the_metadata(code: str) -> None:
    shown = project(view(RunFailed(code=code, message="It failed.")))
    assert shown["error"]["code"] in {"server_error", "rate_limit_exceeded", "invalid_prompt"}
    assert shown["error"]["message"] == "It failed."
    assert shown["metadata"]["cuelight.error_code"] == code
    assert shown["output"] == []
    Response.model_validate(shown)


def test_metadata_is_the_clients_pairs_and_our_facts() -> None:
    request = Request(messages=(), metadata={"ticket": "7"})
    assert project(view(ANSWER, request))["metadata"] == {
        "ticket": "7",
        "cuelight.agent": "documents",
        "cuelight.agent_version": "1.0.0+ab12cd34",
        "cuelight.trace_id": TRACE,
        "cuelight.attempts": "4",
        "cuelight.model_calls": "2",
        "cuelight.cost_usd": "0.00125",
        "cuelight.model": "small-1",
        "cuelight.repairs": "1",
        "cuelight.checks": "quotes,numbers",
        "cuelight.no_answer": "false",
    }


@pytest.mark.parametrize(
    ("cost", "shown"),
    [(None, "unknown"), (Decimal("0E-10"), "0"), (Decimal(100), "100"), (Decimal("1E-7"), "0.0000001")],
)
def test_a_cost_is_plain_dollars_or_unknown(cost: Decimal | None, shown: str) -> None:
    assert project(view(ANSWER, cost_usd=cost))["metadata"]["cuelight.cost_usd"] == shown


def test_an_answer_without_a_model_says_that_it_is_offline() -> None:
    assert project(view(ANSWER.model_copy(update={"offline": True})))["metadata"]["cuelight.offline"] == "true"


def test_a_citation_points_at_our_page_of_the_passage() -> None:
    assert project(view(ANSWER))["output"][0]["content"][0]["annotations"] == [
        {
            "type": "url_citation",
            "start_index": 3,
            "end_index": 12,
            "url": "http://127.0.0.1:8000/passages/psg%201%2F%C3%A4?start=40&end=61",
            "title": "Warranty",
        }
    ]


@pytest.mark.parametrize(
    ("url", "used"),
    [("https://docs.test/w", True), ("HTTP://docs.test", True), ("javascript:alert(1)", False), ("", False)],
)
def test_a_document_with_an_address_of_its_own_is_cited_by_it_if_it_is_safe(url: str, used: bool) -> None:
    answer = ANSWER.model_copy(update={"citations": (CITATION.model_copy(update={"url": url}),)})
    shown = project(view(answer))["output"][0]["content"][0]["annotations"][0]["url"]
    assert (shown == url) is used


def test_file_citations_come_instead_to_those_who_asked_for_them() -> None:
    request = Request(messages=(), include=("file_citation",))
    assert project(view(ANSWER, request))["output"][0]["content"][0]["annotations"] == [
        {"type": "file_citation", "file_id": "doc_1", "filename": "warranty.md", "index": 12}
    ]


def test_what_was_asked_for_is_echoed_and_folded_instructions_are_not() -> None:
    request = Request(
        messages=(),
        instructions="Be brief.\n\nSystem words.",
        caller_instructions="Be brief.",
        temperature=0.2,
        max_output_tokens=64,
        store=False,
    )
    shown = project(view(ANSWER, request))
    assert shown["instructions"] == "Be brief."
    assert (shown["temperature"], shown["max_output_tokens"], shown["store"]) == (0.2, 64, False)


def test_a_trace_that_is_none_is_shown_as_nothing() -> None:
    assert project(view(trace=""))["metadata"]["cuelight.trace_id"] == ""


def test_an_ending_that_a_newer_release_wrote_is_not_guessed_at() -> None:
    with pytest.raises(Unfamiliar):
        project(replace(view(ANSWER), ending=Sealed("answer.accepted", 9, "{}")))
    with pytest.raises(Undecodable):
        project(replace(view(ANSWER), ending=Sealed("answer.accepted", 1, "{}")))


CALLS = (
    FunctionCall(call_id="c1", name="weather", arguments='{"city":"Oslo"}'),
    FunctionCall(call_id="c2", name="time", arguments="{}"),
)
LIKELY = '[{"token":"In","logprob":-0.1,"bytes":[73,110],"top_logprobs":[]}]'


def test_an_answer_with_calls_shows_thoughts_words_and_calls_in_this_order_with_ids_of_their_own() -> None:
    answer = ANSWER.model_copy(update={"calls": CALLS, "reasoning": ("I looked.",), "logprobs": LIKELY})
    shown = project(view(answer))
    thoughts, words, first, second = shown["output"]
    assert thoughts == {
        "type": "reasoning", "id": "rs_0190a1b2", "summary": [{"type": "summary_text", "text": "I looked."}],
    }  # fmt: skip
    assert words["content"][0]["logprobs"][0]["token"] == "In"
    assert first == {
        "type": "function_call", "id": "fc_0190a1b2_0", "call_id": "c1", "name": "weather",
        "arguments": '{"city":"Oslo"}', "status": "completed",
    }  # fmt: skip
    assert second["id"] == "fc_0190a1b2_1"
    check_response(shown)


def test_an_answer_of_calls_alone_has_no_message() -> None:
    shown = project(view(ANSWER.model_copy(update={"text": "", "calls": CALLS[:1]})))
    assert [item["type"] for item in shown["output"]] == ["function_call"]
    check_response(shown)


def test_in_an_incomplete_answer_only_the_last_item_can_be_incomplete() -> None:
    cut = {"incomplete": "max_output_tokens"}
    assert project(view(ANSWER.model_copy(update=cut)))["output"][0]["status"] == "incomplete"
    items = project(view(ANSWER.model_copy(update={**cut, "calls": CALLS})))["output"]
    assert [item["status"] for item in items] == ["completed"] * 3


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        (ToolChoice(mode="required"), "required"),
        (ToolChoice(mode="required", names=("time",), form="function"), {"type": "function", "name": "time"}),
        (
            ToolChoice(names=("time",), form="allowed_tools"),
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "time"}]},
        ),
    ],
)
def test_everything_that_was_asked_for_is_shown_as_the_client_wrote_it(choice: ToolChoice, shown: Any) -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    tools = (FunctionTool(name="time"), FunctionTool(name="weather", parameters=orjson.dumps(schema).decode()))
    request = Request(
        messages=(),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=False,
        max_tool_calls=3,
        reasoning=Reasoning(effort="low"),
        top_p=0.0,
        top_logprobs=2,
        service_tier="flex",
        safety_identifier="who",
        prompt_cache_key="key",
    )
    body = project(view(ANSWER, request))
    assert body["tool_choice"] == shown
    empty = dict.fromkeys(("description", "parameters", "strict"))
    assert body["tools"][0] == {"type": "function", "name": "time", **empty}
    assert list(body["tools"][1]["parameters"]["properties"]) == ["b", "a"]
    assert (body["parallel_tool_calls"], body["max_tool_calls"], body["top_p"]) == (False, 3, 0.0)
    assert body["reasoning"] == {"effort": "low", "summary": None}
    assert (body["service_tier"], body["safety_identifier"], body["prompt_cache_key"]) == ("flex", "who", "key")
    check_response(body)
