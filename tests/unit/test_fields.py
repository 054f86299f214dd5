"""Tools, items and parts of a request: each form that clients use is taken, and anything else is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from agent.definition import Agent, BoundAgent
from agent.items import Reasoning, ToolChoice
from agent.request import Request
from agent.steps import Retrieval
from api.admission import admit
from api.errors import ApiError
from tests.stage import Stage, card
from tests.unit.test_admission import CALLER

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "name": "weather", "description": "The weather.", "parameters": SCHEMA, "strict": True}
TIME = {"type": "function", "name": "time"}
USER = {"role": "user", "content": "Rain?"}
CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "rain"}
PICTURE = {"type": "input_image", "image_url": "https://x.test/a.png"}


class Formed(BaseModel):
    """An answer with a form of its own."""

    answer: str


def bound(name: str, **changes: Any) -> BoundAgent:
    agent = card(name)
    assert isinstance(agent, BoundAgent)
    return replace(agent, **changes)


LAWS = Retrieval("laws", choosable=("manuals",))
AGENTS = {
    "lawyer": bound("lawyer", agent=Agent(name="lawyer", prompt="documents", output=Formed, retrieval=LAWS)),
    "documents": bound("documents", agent=Agent(name="documents", prompt="documents", output=Formed)),
    "chat": bound("chat"),
    "sighted": bound("sighted", models=("eye",)),
}
DOOR = replace(Stage().door, agents=AGENTS, accepts={"eye": ("image", "file")})


def admitted(**body: Any) -> Request:
    return admit({"model": "chat", "input": "Rain?", **body}, DOOR, CALLER).request


def refused(**body: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        admitted(**body)
    return caught.value


# ------------------------------------------------------------------------------------------------ tools


def test_tools_reach_the_run_with_their_schemas() -> None:
    weather, time = admitted(tools=[WEATHER, TIME]).tools
    assert (weather.name, weather.description, weather.strict) == ("weather", "The weather.", True)
    assert weather.parameters == '{"type":"object","properties":{"city":{"type":"string"}}}'
    assert (time.description, time.parameters, time.strict) == (None, None, None)


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        ([WEATHER] * 129, "tools"),
        ([{**WEATHER, "description": "x" * 262_144}], "tools"),
        ([7], "tools[0]"),
        ([{"name": "weather"}], "tools[0].type"),
        ([{"type": "function"}], "tools[0].name"),
        ([{"type": "function", "name": "the weather"}], "tools[0].name"),
        ([{"type": "function", "name": "x" * 65}], "tools[0].name"),
        ([WEATHER, TIME, WEATHER], "tools[2].name"),
        ([{**WEATHER, "description": 7}], "tools[0].description"),
        ([{**WEATHER, "strict": 1}], "tools[0].strict"),
        ([{**WEATHER, "parameters": []}], "tools[0].parameters"),
        ([{**WEATHER, "parameters": {"type": "array"}}], "tools[0].parameters.type"),
        (
            [{**WEATHER, "parameters": {"properties": {"a": {"type": "text"}}}}],
            "tools[0].parameters.properties.a.type",
        ),
        ([{**WEATHER, "parameters": {"properties": {"a": {"$ref": "https://x.test/a"}}}}], "tools[0].parameters"),
    ],
)
def test_tools_that_cannot_be_offered_are_refused_at_their_place(tools: Any, param: str) -> None:
    error = refused(tools=tools)
    assert (error.status, error.code) == (400, "invalid_request")
    assert str(error.param).startswith(param)


@pytest.mark.parametrize("kind", ["web_search", "mcp", "code_interpreter", "custom"])
def test_tools_of_other_types_are_refused_as_not_supported_yet(kind: str) -> None:
    error = refused(tools=[TIME, {"type": kind}])
    assert (error.code, error.param) == ("unsupported_parameter", "tools[1].type")


def test_what_nobody_knows_about_a_tool_is_refused() -> None:
    assert refused(tools=[{**TIME, "color": "red"}]).code == "unknown_parameter"
    assert admitted(tools=[{**TIME, "color": None}]).tools[0].name == "time"


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ({"type": "function", "name": "time"}, ToolChoice(mode="required", names=("time",), form="function")),
        (
            {"type": "allowed_tools", "tools": [{"type": "function", "name": "time"}]},
            ToolChoice(names=("time",), form="allowed_tools"),
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "time"}] * 2},
            ToolChoice(mode="required", names=("time",), form="allowed_tools"),
        ),
    ],
)
def test_a_choice_is_read_in_every_form(choice: Any, read: ToolChoice) -> None:
    assert admitted(tools=[WEATHER, TIME], tool_choice=choice).tool_choice == read


@pytest.mark.parametrize(
    ("choice", "tools", "param"),
    [
        ("any", [TIME], "tool_choice"),
        (7, [TIME], "tool_choice"),
        ("required", [], "tool_choice"),
        ({"type": "function", "name": "weather"}, [TIME], "tool_choice"),
        ({"type": "function"}, [TIME], "tool_choice.name"),
        ({"name": "time"}, [TIME], "tool_choice.type"),
        ({"type": "allowed_tools", "tools": []}, [TIME], "tool_choice.tools"),
        ({"type": "allowed_tools", "tools": ["time"]}, [TIME], "tool_choice.tools[0]"),
        ({"type": "allowed_tools", "mode": "none", "tools": [TIME]}, [TIME], "tool_choice.mode"),
        ({"type": "allowed_tools", "tools": [{"type": "function", "name": "weather"}]}, [TIME], "tool_choice"),
    ],
)
def test_a_choice_that_cannot_be_kept_is_refused(choice: Any, tools: Any, param: str) -> None:
    error = refused(tools=tools, tool_choice=choice)
    assert (error.code, error.param) == ("invalid_request", param)


def test_a_choice_among_hosted_tools_is_not_supported_yet() -> None:
    assert refused(tools=[TIME], tool_choice={"type": "web_search"}).code == "unsupported_parameter"


# ------------------------------------------------------------------------------------------------ options


def test_every_option_reaches_the_run() -> None:
    fields = {
        "top_p": 0.5, "presence_penalty": -2, "frequency_penalty": 2, "top_logprobs": 20, "max_tool_calls": 1,
        "parallel_tool_calls": False, "service_tier": "flex", "prompt_cache_key": "k" * 64, "safety_identifier": "",
        "user": "ann",
    }  # fmt: skip
    request = admitted(**fields, reasoning={"effort": "low", "summary": None}, text={"verbosity": "low"})
    assert {name: getattr(request, name) for name in fields} == fields
    assert (request.reasoning, request.text.verbosity) == (Reasoning(effort="low"), "low")


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("top_p", 1.1, "top_p"),
        ("top_p", True, "top_p"),
        ("presence_penalty", 2.1, "presence_penalty"),
        ("frequency_penalty", "1", "frequency_penalty"),
        ("top_logprobs", 21, "top_logprobs"),
        ("max_tool_calls", 0, "max_tool_calls"),
        ("parallel_tool_calls", "no", "parallel_tool_calls"),
        ("reasoning", {"effort": "huge"}, "reasoning.effort"),
        ("reasoning", "low", "reasoning"),
        ("service_tier", "fast", "service_tier"),
        ("prompt_cache_key", "k" * 65, "prompt_cache_key"),
        ("safety_identifier", 7, "safety_identifier"),
        ("text", {"verbosity": "loud"}, "text.verbosity"),
    ],
)
def test_options_beyond_their_limits_are_refused(field: str, value: Any, param: str) -> None:
    error = refused(**{field: value})
    assert (error.code, error.param) == ("invalid_request", param)


def test_what_nobody_knows_about_an_option_is_refused() -> None:
    assert refused(reasoning={"depth": 3}).param == "reasoning.depth"


# ------------------------------------------------------------------------------------------------ items


def test_calls_results_and_thoughts_are_messages_of_the_request() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "content": []}
    secret: dict[str, Any] = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA", "content": None}
    request = admitted(input=[USER, thought, secret, {**CALL, "id": "fc_1", "status": "completed"}, RESULT])
    assert [message.role for message in request.messages] == ["user", "assistant", "assistant", "assistant", "tool"]
    _, thinks, knows, calls, brings = request.messages
    assert thinks.reasoning is not None
    assert thinks.reasoning.summary == ("Hm.",)
    assert knows.reasoning is not None
    assert knows.reasoning.encrypted_content == "gAAA"
    assert [(call.call_id, call.name, call.arguments) for call in calls.tool_calls] == [("c1", "weather", "{}")]
    assert (brings.tool_call_id, brings.content) == ("c1", "rain")


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([USER, RESULT], "input[1]"),
        ([USER, CALL], "input[1].role"),
        ([USER, CALL, USER], "input[1]"),
        ([USER, CALL, RESULT, RESULT], "input[3]"),
        ([USER, {**CALL, "call_id": ""}, RESULT], "input[1].call_id"),
        ([USER, {**CALL, "call_id": "x" * 65}, RESULT], "input[1].call_id"),
        ([USER, {**CALL, "name": "a b"}, RESULT], "input[1].name"),
        ([USER, {**CALL, "arguments": {}}, RESULT], "input[1].arguments"),
        ([USER, CALL, {**RESULT, "output": None}], "input[2].output"),
        ([USER, CALL, {**RESULT, "output": [{"type": "output_text", "text": "x"}]}], "input[2].output[0].type"),
        ([USER, {"type": "reasoning", "summary": ["Hm."]}], "input[1].summary[0]"),
        ([USER, {"type": "reasoning", "summary": [{"type": "text", "text": "Hm."}]}], "input[1].summary[0].type"),
        ([{"type": "item_reference", "id": "msg_1"}], "input[0].id"),
        ([{"id": "msg_1"}], "input[0].id"),
    ],
)
def test_items_that_make_no_conversation_are_refused_at_their_place(items: Any, param: str) -> None:
    error = refused(input=items)
    assert (error.code, error.param) == ("invalid_request", param)


def test_arguments_and_thoughts_count_into_the_limit_of_characters() -> None:
    assert refused(input=[USER, {**CALL, "arguments": "x" * 5_000}, RESULT]).param == "input"
    assert (
        refused(input=[{"type": "reasoning", "summary": [], "encrypted_content": "x" * 5_000}, USER]).param == "input"
    )


# ------------------------------------------------------------------------------------------------ parts


def test_images_and_files_stand_in_their_place_among_the_text() -> None:
    data = {"type": "input_file", "filename": "a.pdf", "file_data": "aGk="}
    content = [{"type": "input_text", "text": "a"}, PICTURE, {"type": "input_text", "text": "b"}, data]
    (message,) = admitted(model="sighted", input=[{"role": "user", "content": content}]).messages
    assert message.content == "a\nb"
    assert [part.type for part in message.parts] == ["input_text", "input_image", "input_text", "input_file"]


def test_an_image_alone_is_a_question_and_text_alone_has_no_parts() -> None:
    (message,) = admitted(model="sighted", input=[{"role": "user", "content": [PICTURE]}]).messages
    assert (message.content, len(message.parts)) == ("", 1)
    (message,) = admitted(input=[{"role": "user", "content": [{"type": "input_text", "text": "a"}]}]).messages
    assert message.parts == ()


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image"}, "input[0].content[0].image_url"),
        ({"type": "input_image", "image_url": "file:///etc/passwd"}, "input[0].content[0].image_url"),
        ({"type": "input_image", "image_url": "data:text/html,x"}, "input[0].content[0].image_url"),
        ({**PICTURE, "detail": "huge"}, "input[0].content[0].detail"),
        ({"type": "input_file"}, "input[0].content[0]"),
        ({"type": "input_file", "file_data": "x", "file_url": "https://x.test"}, "input[0].content[0]"),
        ({"type": "input_file", "file_url": "ftp://x.test"}, "input[0].content[0].file_url"),
    ],
)
def test_parts_that_cannot_be_handed_on_are_refused(part: Any, param: str) -> None:
    error = refused(model="sighted", input=[{"role": "user", "content": [part]}])
    assert (error.code, error.param) == ("invalid_request", param)


# ------------------------------------------------------------------------------------------------ agents


def test_an_image_for_an_agent_whose_models_see_nothing_is_refused_with_their_names() -> None:
    for content in (PICTURE, {"type": "input_file", "file_data": "aGk="}):
        error = refused(input=[{"role": "user", "content": [content]}])
        assert (error.status, error.param) == (400, "input[0]")
        assert "'chat'" in error.message
        assert "'offline'" in error.message


@pytest.mark.parametrize(
    ("field", "value"),
    [("tools", [TIME]), ("top_logprobs", 2), ("include", ["message.output_text.logprobs"])],
)
def test_what_an_agent_with_a_form_of_its_own_cannot_give_is_refused_with_the_name_of_one_that_can(
    field: str, value: Any
) -> None:
    error = refused(model="documents", **{field: value})
    assert (error.status, error.code, error.param) == (400, "unsupported_parameter", field)
    assert "'chat'" in error.message
    assert admitted(**{field: value})


def test_an_agent_that_answers_questions_takes_what_functions_brought_but_not_alone() -> None:
    items = [CALL, RESULT]
    assert admitted(input=items)
    assert admitted(model="documents", input=[USER, *items])
    assert refused(model="documents", input=items).param == "input"
