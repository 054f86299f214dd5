"""What may come in: each field is honoured or refused by name, and never ignored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.access import Project
from agent.request import Request
from agent.settings import Settings
from api.access import Caller
from api.admission import admit
from api.body import MAX_DEPTH, refuse_unstorable
from api.errors import ApiError
from api.fields.idle import IDLE
from api.fields.options import Options
from api.ids import new_response_id, uuid7_hex
from tests.stage import Stage

DOOR = Stage().door
CALLER = Caller(Project("default"))
HELLO: dict[str, Any] = {"input": "Hello?"}


def admitted(**body: Any) -> Request:
    return admit({**HELLO, **body}, DOOR, CALLER).request


def refused(body: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        admit(body, DOOR, CALLER)
    return caught.value


# ------------------------------------------------------------------------------------------------ input


def test_a_string_is_one_message_of_the_user() -> None:
    request = admitted(input="Hello?")
    assert [(turn.role, turn.content) for turn in request.messages] == [("user", "Hello?")]
    assert request.base_url == "http://door.test"
    assert request.store is True


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "Hello?"},
        {"type": "message", "role": "user", "content": "Hello?"},
        {"role": "user", "content": [{"type": "input_text", "text": "Hello?"}]},
        {"type": "message", "id": None, "status": "completed", "role": "user", "content": "Hello?"},
    ],
)
def test_message_items_come_in_every_form_that_clients_use(item: dict[str, Any]) -> None:
    assert [(turn.role, turn.content) for turn in admitted(input=[item]).messages] == [("user", "Hello?")]


def test_an_earlier_answer_comes_back_with_all_that_we_sent_along() -> None:
    part = {"type": "output_text", "text": "Two years.", "annotations": [{"type": "url_citation"}], "logprobs": None}
    mine = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}
    no = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    request = admitted(input=[{"role": "user", "content": "How long?"}, mine, no, {"role": "user", "content": "Sure?"}])
    assert [turn.content for turn in request.messages] == ["How long?", "Two years.", "No.", "Sure?"]
    assert request.question == "Sure?"


def test_system_and_developer_messages_fold_into_the_instructions_after_the_field() -> None:
    turns = [
        {"role": "system", "content": "First."},
        {"role": "user", "content": "Hello?"},
        {"role": "developer", "content": [{"type": "input_text", "text": "Second."}]},
    ]
    request = admitted(input=turns, instructions="Field.")
    assert request.instructions == "Field.\n\nFirst.\n\nSecond."
    assert request.caller_instructions == "Field."
    assert [turn.role for turn in request.messages] == ["system", "user", "developer"]


def test_without_instructions_there_are_none() -> None:
    assert (admitted().instructions, admitted().caller_instructions) == (None, None)


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (None, "input"),
        (7, "input"),
        ("", "input"),
        ("  \n", "input"),
        ([], "input"),
        ([{"role": "system", "content": "Be brief."}], "input"),
        ([{"role": "assistant", "content": "Hello!"}], "input"),
        ([{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hel"}], "input[1].role"),
        (["Hello?"], "input[0]"),
        ([{"content": "Hello?"}], "input[0].role"),
        ([{"role": "tool", "content": "Hello?"}], "input[0].role"),
        ([{"role": ["user"], "content": "Hello?"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": 7}], "input[0].content"),
        ([{"role": "user", "content": ["Hello?"]}], "input[0].content[0]"),
        ([{"role": "user", "content": [{"text": "Hello?"}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": ["input_text"]}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "output_text", "text": "Hi"}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_text", "text": 7}]}], "input[0].content[0].text"),
        ([{"role": "user", "content": "Hello?"}] * 501, "input"),
        ("a" * 5_001, "input"),
    ],
)
def test_input_that_cannot_be_used_is_refused_at_its_place(value: Any, param: str) -> None:
    error = refused({"input": value})
    assert (error.status, error.code, error.param) == (400, "invalid_request", param)


def test_a_body_without_input_is_refused() -> None:
    assert refused({}).param == "input"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "web_search_call", "id": "ws_1"}, "input[0].type"),
        ({"type": "compaction", "encrypted_content": "x"}, "input[0].type"),
        ({"role": "user", "content": [{"type": "input_video", "video_url": "x"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "input[0].content[0].file_id"),
    ],
)
def test_what_the_api_knows_and_we_do_not_do_is_refused_as_unsupported(item: Any, param: str) -> None:
    error = refused({"input": [item]})
    assert (error.code, error.param) == ("unsupported_parameter", param)


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "user", "content": "Hello?", "name": "Ann"}, "input[0].name"),
        ({"role": "user", "content": [{"type": "input_text", "text": "a", "bold": True}]}, "input[0].content[0].bold"),
    ],
)
def test_unknown_fields_inside_the_input_are_refused_too(item: Any, param: str) -> None:
    error = refused({"input": [item]})
    assert (error.code, error.param) == ("unknown_parameter", param)


def test_the_instructions_count_into_the_limit_of_characters() -> None:
    assert admitted(input="a" * 4_000, instructions="b" * 1_000)
    assert refused({"input": "a" * 4_000, "instructions": "b" * 1_001}).param == "input"


# ------------------------------------------------------------------------------------------------ options


def test_supported_options_reach_the_run() -> None:
    request = admitted(
        temperature=1, max_output_tokens=16, metadata={"a": "b"}, store=False, include=["file_citation"], model="chat"
    )
    assert (request.temperature, request.max_output_tokens, request.store) == (1, 16, False)
    assert (request.metadata, request.include) == ({"a": "b"}, ("file_citation",))


def test_null_means_the_default_everywhere() -> None:
    body = dict.fromkeys([*IDLE, "model", "instructions", "metadata", "temperature", "max_output_tokens", "include"])
    assert admitted(**body, store=None) == admitted()


def test_no_more_output_is_promised_than_the_agent_may_make() -> None:
    most = DOOR.agents["documents"].agent.budget.max_output_tokens
    assert admitted(max_output_tokens=most + 1).max_output_tokens == most


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("model", 7, "model"),
        ("instructions", ["a"], "instructions"),
        ("temperature", 2.1, "temperature"),
        ("temperature", -0.1, "temperature"),
        ("temperature", "1", "temperature"),
        ("temperature", True, "temperature"),
        ("max_output_tokens", 15, "max_output_tokens"),
        ("max_output_tokens", 16.5, "max_output_tokens"),
        ("max_output_tokens", "16", "max_output_tokens"),
        ("store", "yes", "store"),
        ("store", 1, "store"),
        ("include", "file_citation", "include"),
        ("metadata", [], "metadata"),
        ("metadata", {str(n): "x" for n in range(17)}, "metadata"),
        ("metadata", {"a": 1}, "metadata.a"),
        ("metadata", {"a": "x" * 513}, "metadata.a"),
        ("metadata", {"k" * 65: "x"}, "metadata." + "k" * 65),
        ("metadata", {"cuelight.agent": "x"}, "metadata.cuelight.agent"),
    ],
)
def test_values_beyond_their_limits_are_refused_by_field(field: str, value: Any, param: str) -> None:
    error = refused({**HELLO, field: value})
    assert (error.status, error.code, error.param) == (400, "invalid_request", param)


def test_limits_themselves_are_still_allowed() -> None:
    pairs = {f"{n:064}": "x" * 512 for n in range(16)}
    assert admitted(temperature=2, metadata=pairs).metadata == pairs


def test_how_the_answer_is_to_come_stays_with_the_request() -> None:
    request = admitted(
        background=True, stream=True, stream_options={"include_obfuscation": True}, include=["cuelight.progress"]
    )
    assert (request.background, request.stream, request.include) == (True, True, ("cuelight.progress",))
    assert admitted(background=False, stream=None, stream_options=None) == admitted()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True, "store": False}, "background"),
        ({"stream_options": {}}, "stream_options"),
        ({"stream_options": {"include_obfuscation": True}, "stream": False}, "stream_options"),
        ({"stream_options": {"include_obfuscation": 1}, "stream": True}, "stream_options.include_obfuscation"),
        ({"stream_options": {"include_usage": True}, "stream": True}, "stream_options.include_usage"),
        ({"stream": 1}, "stream"),
        ({"background": "yes"}, "background"),
    ],
)
def test_ways_to_answer_that_cannot_be_are_refused(body: dict[str, Any], param: str) -> None:
    error = refused({**HELLO, **body})
    assert (error.status, error.param) == (400, param)


def test_other_includes_are_refused_as_unsupported() -> None:
    error = refused({**HELLO, "include": ["file_citation", "file_search_call.results"]})
    assert (error.code, error.param) == ("unsupported_parameter", "include[1]")
    assert "cuelight.verdicts" in error.message  # what there is, for a name that was misspelt


def test_an_unknown_agent_is_a_404_that_lists_what_there_is() -> None:
    error = refused({**HELLO, "model": "gpt-9"})
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "documents, chat" in error.message


def test_the_agent_is_the_one_asked_for_or_the_default() -> None:
    assert admit({**HELLO, "model": "chat"}, DOOR, CALLER).card.name == "chat"
    assert admit(HELLO, DOOR, CALLER).card.name == "documents"


# ------------------------------------------------------------------------------------------------ the others


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, idle in IDLE.items() for value in idle])
def test_fields_that_are_not_supported_yet_are_accepted_when_they_ask_for_nothing(field: str, value: Any) -> None:
    assert admitted(**{field: value}) == admitted()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("conversation", "conv_1"),
        ("prompt", {"id": "p"}),
    ],
)
def test_fields_that_are_not_supported_yet_are_refused_by_name_when_they_ask_for_something(
    field: str, value: Any
) -> None:
    error = refused({**HELLO, field: value})
    assert (error.status, error.code, error.param) == (400, "unsupported_parameter", field)
    assert "not supported yet" in error.message


def test_empty_settings_of_a_clients_library_ask_for_nothing() -> None:
    assert admitted(text={"format": {"type": "text"}, "verbosity": None}, reasoning={"effort": None}) == admitted()


@pytest.mark.parametrize("field", ["messages", "max_tokens", "Input", "", "x" * 5_000])
def test_unknown_fields_are_refused_by_name_and_never_at_length(field: str) -> None:
    error = refused({**HELLO, field: None})
    assert error.code == "unknown_parameter"
    assert error.param is not None
    assert error.param.removesuffix("…") in field
    assert len(error.message) < 200


@pytest.mark.parametrize("body", [None, 7, "input", [], [HELLO]])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert refused(body).status == 400


# ------------------------------------------------------------------------------------------------ any JSON at all


def test_nesting_is_allowed_down_to_its_limit() -> None:
    value: Any = "x"
    for _ in range(MAX_DEPTH):
        value = [value]
    refuse_unstorable(value)
    with pytest.raises(ApiError, match="nested"):
        refuse_unstorable([value])


def test_nul_is_refused_at_its_place() -> None:
    with pytest.raises(ApiError) as caught:
        refuse_unstorable({"input": [{"role": "user", "content": "a\x00b"}]})
    assert caught.value.param == "input[0].content"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 600) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([*IDLE, *HELLO, *Options.model_fields, "tools", "tool_choice", "text"])
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]) | JSON, "content": JSON}, optional={"type": JSON}
    ),
    max_size=3,
)


@given(st.dictionaries(FIELDS | st.text(max_size=5), JSON, max_size=4), JSON | ITEMS)
def test_any_json_is_admitted_with_a_question_or_refused_with_a_reason(body: dict[str, Any], said: Any) -> None:
    try:
        request = admit({**body, "input": said}, DOOR, CALLER).request
    except ApiError as error:
        assert error.status in (400, 404)
        assert error.message
    else:
        assert request.question.strip() or request.messages[-1].parts or request.messages[-1].role == "tool"
        assert Request.model_validate_json(request.model_dump_json()) == request


def test_the_limit_of_characters_is_a_setting() -> None:
    door = replace(DOOR, settings=Settings(max_input_chars=3))
    with pytest.raises(ApiError, match="no more than 3"):
        admit(HELLO, door, CALLER)


# ------------------------------------------------------------------------------------------------ ids


def test_later_ids_sort_after_earlier_ones_and_are_version_7() -> None:
    early, late = uuid7_hex(1_767_268_800_000, (1 << 80) - 1), uuid7_hex(1_767_268_800_001, 0)
    assert early < late
    assert {(hexes[12], hexes[16]) for hexes in (early, late)} == {("7", "b"), ("7", "8")}
    assert [len(early), len(late)] == [32, 32]


def test_two_ids_are_never_the_same() -> None:
    assert len({new_response_id() for _ in range(1_000)}) == 1_000
