"""A chat as a request of a run: each field is honoured or refused by its own name, and never ignored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.access import Project
from agent.items import FunctionCall, ImagePart, TextPart
from agent.request import Request
from api.access import Caller
from api.chat.completions import admit_chat
from api.chat.fields import IDLE, read_chat
from api.errors import ApiError
from tests.stage import Stage

STAGE = Stage()
CALLER = Caller(Project("default"))
USER: dict[str, Any] = {"role": "user", "content": "Hello?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "time", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
BROUGHT = {"role": "tool", "tool_call_id": "c1", "content": "noon"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
TOOL = {"type": "function", "function": {"name": "time", "description": "Tells.", "parameters": SCHEMA, "strict": True}}
NAMED = {"type": "function", "function": {"name": "time"}}
FORM = {"type": "json_schema", "json_schema": {"name": "number", "schema": SCHEMA, "strict": True}}


def admitted(**body: Any) -> Request:
    asked = {"model": "chat", "messages": [USER], **body}
    return admit_chat(read_chat(asked), STAGE.door, CALLER).request


def refused(**body: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        admitted(**body)
    assert "input[" not in caught.value.message
    return caught.value


def test_a_chat_is_not_stored_unless_it_asks_for_it() -> None:
    assert (admitted().store, admitted(store=None).store, admitted(store=True).store) == (False, False, True)


def test_messages_of_every_role_become_the_turns_of_a_conversation() -> None:
    system, said = {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Well."}
    request = admitted(messages=[system, USER, said, USER, CALLING | {"content": "Wait."}, BROUGHT])
    assert [turn.role for turn in request.messages] == [
        *("system", "user", "assistant", "user", "assistant", "assistant", "tool"),
    ]
    assert request.instructions == "Be brief."
    assert request.messages[5].tool_calls == (FunctionCall(call_id="c1", name="time", arguments="{}"),)
    assert (request.messages[6].content, request.messages[6].tool_call_id) == ("noon", "c1")


def test_parts_of_text_are_joined_and_refusals_are_told() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    spoken = {"role": "assistant", "content": [{"type": "text", "text": "a"}], "refusal": "No."}
    request = admitted(messages=[{"role": "user", "content": parts}, spoken, USER])
    assert [turn.content for turn in request.messages] == ["one\ntwo", "a\nNo.", "Hello?"]


def test_images_are_handed_on_to_models_that_take_them() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://pictures.test/1.png", "detail": "low"}}
    message = {"role": "user", "content": [{"type": "text", "text": "What?"}, image]}
    assert refused(messages=[message]).param == "messages[0]"
    seeing = Stage(accepts={"offline": {"image"}})
    request = admit_chat(read_chat({"model": "chat", "messages": [message]}), seeing.door, CALLER).request
    seen = ImagePart(image_url="https://pictures.test/1.png", detail="low")
    assert request.messages[0].parts == (TextPart(text="What?"), seen)


def test_an_answer_can_be_sent_back_as_openais_client_holds_it() -> None:
    held: dict[str, Any] = {
        "role": "assistant",
        "content": "Well.",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "parsed": None,
    }
    assert admitted(messages=[USER, held, USER]).messages[1].content == "Well."
    parsed = {**CALL, "index": 0, "function": {"name": "time", "arguments": "{}", "parsed_arguments": {"n": 1}}}
    empty: list[Any] = [None, "", []]
    for content in empty:
        called = {**CALLING, "content": content, "tool_calls": [parsed], "provider_specific_fields": {"a": 1}}
        turns = admitted(messages=[USER, called, BROUGHT | {"name": "time"}]).messages
        assert [turn.role for turn in turns] == ["user", "assistant", "tool"]


def test_fields_keep_their_meaning_under_other_names() -> None:
    request = admitted(
        tools=[TOOL],
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
        response_format=FORM,
        reasoning_effort="low",
        verbosity="high",
        logprobs=True,
        top_logprobs=2,
        max_completion_tokens=3,
        temperature=0.5,
        parallel_tool_calls=False,
        metadata={"a": "b"},
        stream=True,
        stream_options={"include_usage": True, "include_obfuscation": False},
    )
    assert (request.tools[0].name, request.tools[0].strict, request.tools[0].description) == ("time", True, "Tells.")
    assert (request.tool_choice.mode, request.tool_choice.names) == ("required", ("time",))
    assert (request.text.format.type, request.text.format.name, request.text.verbosity) == (
        *("json_schema", "number"),
        "high",
    )
    assert request.reasoning is not None and request.reasoning.effort == "low"
    assert (request.top_logprobs, request.wishes.top_logprobs) == (2, 2)
    assert (request.max_output_tokens, request.temperature, request.parallel_tool_calls) == (3, 0.5, False)
    assert (request.metadata, request.stream) == ({"a": "b"}, False)
    assert admitted(tools=[TOOL], tool_choice=NAMED).tool_choice.names == ("time",)
    assert admitted(response_format={"type": "json_object"}).text.format.type == "json_object"
    assert admitted(max_tokens=10**9).max_output_tokens == STAGE.door.agents["chat"].agent.budget.max_output_tokens


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("messages", {"messages": None}),
    ("messages", {"messages": "Hello?"}),
    ("messages", {"messages": []}),
    ("messages", {"messages": [USER] * 501}),
    ("messages[0]", {"messages": ["Hello?"]}),
    ("messages[0].role", {"messages": [{"content": "Hello?"}]}),
    ("messages[1].role", {"messages": [USER, {"role": "function", "name": "time", "content": "noon"}]}),
    ("messages[1].role", {"messages": [USER, {"role": "assistant", "content": "Well"}]}),
    ("messages[0].name", {"messages": [USER | {"name": "Ada"}]}),
    ("messages[0].colour", {"messages": [USER | {"colour": "red"}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": 7}]}),
    ("messages[0].content[0].text", {"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}),
    ("messages[0].content[0].type", {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}),
    ("messages[1].content", {"messages": [USER, {"role": "assistant"}, USER]}),
    ("messages[1].tool_calls[0]", {"messages": [USER, CALLING, USER]}),
    ("messages[1].tool_calls[1].id", {"messages": [USER, CALLING | {"tool_calls": [CALL, CALL | {"id": 1}]}, BROUGHT]}),
    (
        "messages[1].tool_calls[0].function.name",
        {"messages": [USER, CALLING | {"tool_calls": [{"id": "c1", "function": {"name": "!", "arguments": ""}}]}]},
    ),
    ("messages[1]", {"messages": [USER, BROUGHT]}),
    ("messages[1].tool_call_id", {"messages": [USER, {"role": "tool", "content": "noon"}]}),
    ("tools[0].type", {"tools": [{"type": "custom", "custom": {"name": "time"}}]}),
    ("tools[0].function", {"tools": [{"type": "function"}]}),
    ("tools[0].function.name", {"tools": [{"type": "function", "function": {"name": "!"}}]}),
    ("tools[0].function.parameters.type", {"tools": [{**NAMED, "function": {"name": "f", "parameters": {"type": 7}}}]}),
    ("tool_choice", {"tool_choice": NAMED}),
    ("tool_choice", {"tools": [TOOL], "tool_choice": "any"}),
    ("response_format.type", {"response_format": {"type": "grammar"}}),
    ("response_format.json_schema.name", {"response_format": {"type": "json_schema", "json_schema": {}}}),
    (
        "response_format.json_schema.schema.type",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "wat"}}}},
    ),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": 7, "max_completion_tokens": 7}),
    ("max_completion_tokens", {"max_completion_tokens": "7"}),
    ("reasoning_effort", {"reasoning_effort": "enormous"}),
    ("verbosity", {"verbosity": "loud"}),
    ("logprobs", {"logprobs": 1}),
    ("top_logprobs", {"top_logprobs": 1}),
    ("top_logprobs", {"logprobs": True, "top_logprobs": 21}),
    ("temperature", {"temperature": 3}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
    ("stream_options.include_usage", {"stream": True, "stream_options": {"include_usage": 1}}),
    ("input", {"input": "Hello?"}),
    ("n", {"n": 2}),
    ("stop", {"stop": "\n"}),
    *((field, {field: {"some": "thing"}}) for field in IDLE),
]


@pytest.mark.parametrize(("param", "body"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_kept_is_refused_where_it_was_sent(param: str, body: dict[str, Any]) -> None:
    error = refused(**body)
    assert (error.status, error.param) == (400, param)


def test_what_asks_for_nothing_is_let_pass() -> None:
    for field, idle in IDLE.items():
        for value in (None, *idle):
            assert admitted(**{field: value}) == admitted()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 600) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PARTS = st.sampled_from([{"type": "text", "text": "Hi"}, {"type": "file", "file": {}}, {"type": "image_url"}, {}])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"]) | JSON},
        optional={
            "content": JSON | st.lists(PARTS | JSON, max_size=2),
            "tool_calls": JSON | st.lists(st.just(CALL) | JSON, max_size=2),
            "tool_call_id": st.just("c1") | JSON,
        },
    ),
    max_size=4,
)
FIELDS = st.sampled_from(
    [*IDLE, "tools", "tool_choice", "response_format", "max_tokens", "logprobs", "stream", "stream_options", "store"]
)


@given(st.dictionaries(FIELDS, JSON | st.just([TOOL]) | st.just(FORM), max_size=3), MESSAGES | JSON)
def test_any_json_is_admitted_or_refused_with_a_place_of_what_was_sent(body: dict[str, Any], said: Any) -> None:
    try:
        request = admitted(**{**body, "messages": said})
    except ApiError as error:
        assert error.status == 400
        assert error.param is None or error.param.split(".")[0].split("[")[0] in {*body, "messages"}
    else:
        assert Request.model_validate_json(request.model_dump_json()) == request
