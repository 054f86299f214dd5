"""Tools and wishes on the wire: how they are sent, what is learned from refusals, and how calls are read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.adapters.model.book import ModelBook
from agent.adapters.model.classify import Reply, classify
from agent.adapters.model.ladder import Shape, adapted, body, first_shape
from agent.adapters.model.offline import OfflineModel
from agent.adapters.model.wire import ATTACHED
from agent.effects import CallModel, ModelAnswer
from agent.errors import Permanent, Transient
from agent.items import FilePart, FunctionCall, FunctionTool, ImagePart, Part, TextPart, ToolChoice, Wishes
from agent.request import Message
from agent.settings import EndpointSettings, ModelSettings

CITY = '{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}'
WEATHER = FunctionTool(name="weather", description="The weather.", parameters=CITY, strict=True)
TIME = FunctionTool(name="time")
ASKED = CallModel(
    model="m",
    prompt="chat@1",
    messages=(Message(role="user", content="Rain?"),),
    max_output_tokens=64,
    tools=(WEATHER, TIME),
)
NOW = datetime(2026, 11, 5, tzinfo=UTC)


def asked(**changes: Any) -> CallModel:
    return ASKED.model_copy(update=changes)


def refusal(message: str, **more: Any) -> Reply:
    return Reply(400, {}, json.dumps({"error": {"message": message, **more}}).encode(), NOW)


def read(message: Any, finish_reason: str = "tool_calls", call: CallModel = ASKED, **choice: Any) -> ModelAnswer:
    whole = {"choices": [{"index": 0, "finish_reason": finish_reason, "message": message, **choice}]}
    reply = Reply(200, {}, json.dumps(whole).encode(), NOW)
    return classify(reply, endpoint="near", model=ModelSettings(name="m"), asked=call)


def said(name: Any = "weather", arguments: Any = '{"city":"Oslo"}', **more: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_tools_are_sent_with_their_schemas_in_the_clients_own_order() -> None:
    sent = body(ASKED, first_shape("auto"))
    assert list(sent) == ["model", "messages", "max_tokens", "tools"]
    function = {"name": "weather", "description": "The weather.", "parameters": json.loads(CITY), "strict": True}
    assert sent["tools"] == [
        {"type": "function", "function": function},
        {"type": "function", "function": {"name": "time"}},
    ]
    assert json.dumps(sent["tools"][0]["function"]["parameters"], separators=(",", ":")) == CITY


@pytest.mark.parametrize(
    ("choice", "sent", "names"),
    [
        (ToolChoice(), None, ["weather", "time"]),
        (ToolChoice(mode="none"), "none", ["weather", "time"]),
        (ToolChoice(mode="required"), "required", ["weather", "time"]),
        (
            ToolChoice(mode="required", names=("time",), form="function"),
            {"type": "function", "function": {"name": "time"}},
            ["time"],
        ),
        (ToolChoice(names=("time",), form="allowed_tools"), None, ["time"]),
        (ToolChoice(mode="required", names=("time",), form="allowed_tools"), "required", ["time"]),
    ],
)
def test_only_what_may_be_called_is_sent_and_the_choice_with_it(
    choice: ToolChoice, sent: Any, names: list[str]
) -> None:
    fields = body(asked(tool_choice=choice), first_shape("auto"))
    assert fields.get("tool_choice") == sent
    assert [tool["function"]["name"] for tool in fields["tools"]] == names


def test_one_call_at_a_time_is_asked_for_where_it_was_wanted() -> None:
    assert body(asked(parallel_tool_calls=False), Shape())["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in body(asked(parallel_tool_calls=False, tools=()), Shape())


def test_wishes_have_the_names_of_the_wire() -> None:
    wished = Wishes(top_p=0.5, top_logprobs=3, reasoning_effort="low", verbosity="high", prompt_cache_key="k")
    sent = body(asked(wishes=wished, tools=()), Shape())
    expected = {"top_p": 0.5, "top_logprobs": 3, "logprobs": True, "reasoning_effort": "low", "verbosity": "high"}
    assert {name: sent[name] for name in sent if name not in ("model", "messages", "max_tokens")} == {
        **expected, "prompt_cache_key": "k",
    }  # fmt: skip
    assert "top_logprobs" not in body(asked(wishes=Wishes(top_logprobs=0)), Shape())


def test_calls_and_results_of_earlier_turns_are_sent_as_such() -> None:
    call = FunctionCall(call_id="c1", name="weather", arguments="{}")
    image = ImagePart(image_url="https://x.test/a.png", detail="low")
    conversation = (
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="rain", tool_call_id="c1", parts=(TextPart(text="rain"), image)),
        Message(role="user", content="a", parts=(TextPart(text="a"), image, FilePart(filename="f.pdf", file_data="x"))),
    )
    sent = body(asked(messages=conversation), Shape())["messages"]
    function = {"name": "weather", "arguments": "{}"}
    picture = {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}}
    assert sent == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "user", "content": [{"type": "text", "text": ATTACHED}, picture]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a"},
                picture,
                {"type": "file", "file": {"filename": "f.pdf", "file_data": "x"}},
            ],
        },
    ]


NAMED = ToolChoice(mode="required", names=("time",), form="function")


@pytest.mark.parametrize(
    ("effect", "shape", "reply", "learned"),
    [
        (asked(tool_choice=NAMED), Shape(), refusal("tool_choice must be a string"), Shape(choosing="mode")),
        (
            asked(tool_choice=NAMED),
            Shape(choosing="mode"),
            refusal('"auto" tool choice only', param="tool_choice"),
            Shape(choosing="auto"),
        ),
        (
            asked(parallel_tool_calls=False),
            Shape(),
            refusal("Unknown parameter: 'parallel_tool_calls'"),
            Shape(parallel=False),
        ),
        (ASKED, Shape(), refusal("Invalid schema for strict mode: additionalProperties"), Shape(strict=False)),
        (
            asked(wishes=Wishes(verbosity="low")),
            Shape(strict=False),
            refusal("Unrecognized request argument supplied: 'verbosity'"),
            Shape(strict=False, without=frozenset({"verbosity"})),
        ),
        (
            asked(wishes=Wishes(top_logprobs=2), tools=()),
            Shape(),
            refusal("This model does not support it", param="top_logprobs"),
            Shape(without=frozenset({"logprobs", "top_logprobs"})),
        ),
    ],
)
def test_a_field_that_an_endpoint_does_not_know_is_done_without(
    effect: CallModel, shape: Shape, reply: Reply, learned: Shape
) -> None:
    assert adapted(shape, effect, reply) == learned
    assert body(effect, learned) != body(effect, shape)


@pytest.mark.parametrize(
    ("effect", "reply"),
    [
        (ASKED, refusal("tools are not supported by this model", param="tools")),
        (asked(wishes=Wishes(reasoning_effort="xhigh")), refusal("must be low or high", param="reasoning_effort")),
        (asked(wishes=Wishes(user="ann"), tools=()), refusal("user messages of that kind are not supported")),
        (asked(tool_choice=ToolChoice(mode="required")), refusal("no")),
    ],
)
def test_what_cannot_be_done_without_stays_refused(effect: CallModel, reply: Reply) -> None:
    assert adapted(Shape(), effect, reply) is None


def test_an_endpoint_that_knows_no_choice_is_sent_no_tools_where_none_may_be_called() -> None:
    assert "tools" not in body(asked(tool_choice=ToolChoice(mode="none")), Shape(choosing="auto"))


# ------------------------------------------------------------------------------------------------ reading back


def test_calls_are_read_with_their_ids() -> None:
    answer = read({"content": None, "tool_calls": [said(), said("time", "", id="c2")]})
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")
    assert [(call.call_id, call.name, call.arguments) for call in answer.calls] == [
        ("c1", "weather", '{"city":"Oslo"}'),
        ("c2", "time", "{}"),
    ]


def test_calls_count_also_where_an_endpoint_says_that_it_stopped() -> None:
    assert read({"content": "", "tool_calls": [said()]}, "stop").finish_reason == "tool_calls"
    assert read({"content": "", "tool_calls": [said()]}, "length").finish_reason == "length"


@pytest.mark.parametrize("identity", [None, "", 7, "x" * 65, "c1"])
def test_an_id_that_cannot_be_sent_back_is_replaced_by_one_that_is_the_same_each_time(identity: Any) -> None:
    message = {"content": None, "tool_calls": [said(), said("time", "{}", id=identity)]}
    first, second = read(message).calls
    assert first.call_id == "c1"
    assert second.call_id.startswith("call_")
    assert read(message).calls[1] == second


@pytest.mark.parametrize(
    "calls",
    [
        [],
        {},
        [7],
        [{"id": "c1"}],
        [said(type="custom")],
        [said(name="")],
        [said(name=None)],
        [said(arguments=7)],
        [said()] * 257,
    ],
)
def test_calls_that_cannot_be_read_are_no_answer(calls: Any) -> None:
    with pytest.raises(Transient) as caught:
        read({"content": None, "tool_calls": calls})
    assert caught.value.kind == "malformed"


def test_where_no_functions_were_offered_calls_are_no_answer() -> None:
    with pytest.raises(Transient) as caught:
        read({"content": None, "tool_calls": [said()]}, call=asked(tools=()))
    assert caught.value.kind == "malformed"


def test_words_stay_an_answer_where_a_model_calls_what_it_was_not_offered() -> None:
    answer = read({"content": "Yes.", "tool_calls": [said()]}, "stop", asked(tools=()))
    assert (answer.text, answer.calls, answer.finish_reason) == ("Yes.", (), "stop")


@pytest.mark.parametrize("part", [ImagePart(image_url="https://x.test/a.png"), FilePart(file_data="aGk=")])
async def test_a_model_that_does_not_take_a_part_is_not_sent_it(part: Part) -> None:
    sees = ModelSettings(name="m", accepts=("file_url",))
    endpoint = EndpointSettings(name="near", base_url="http://127.0.0.1:9/v1", models=(sees,))
    book = ModelBook([endpoint], OfflineModel())
    call = asked(messages=(Message(role="user", content="", parts=(part,)),))
    with pytest.raises(Permanent, match="takes no"):
        await book.call(call, timeout_s=1.0, headers={})
    await book.close()


def test_thoughts_are_kept_apart_from_the_text() -> None:
    answer = read({"content": "Yes.", "reasoning_content": "Hm."}, "stop")
    assert (answer.text, answer.reasoning) == ("Yes.", "Hm.")


LOGPROBS = {
    "content": [{"token": "Yes", "logprob": -0.1, "bytes": None, "top_logprobs": []}, {"token": ".", "logprob": 0}]
}
WISHED = asked(wishes=Wishes(top_logprobs=0), tools=())


def test_probabilities_are_read_where_they_were_asked_for_and_are_of_this_very_text() -> None:
    answer = read({"content": "Yes."}, "stop", WISHED, logprobs=LOGPROBS)
    assert json.loads(answer.logprobs) == [
        {"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115], "top_logprobs": []},
        {"token": ".", "logprob": 0.0, "bytes": [46], "top_logprobs": []},
    ]
    assert read({"content": "Yes."}, "stop", logprobs=LOGPROBS).logprobs == ""
    assert read({"content": "No."}, "stop", WISHED, logprobs=LOGPROBS).logprobs == ""


@pytest.mark.parametrize(
    "logprobs",
    [None, 7, {}, {"content": [7]}, {"content": [{"token": "Yes.", "logprob": "x"}]}, {"content": [{"token": "Yes."}]},
     {"content": [{"token": "Yes.", "logprob": 0, "bytes": 10**9}, {"token": "", "logprob": 0, "bytes": [999]}]}],
)  # fmt: skip
def test_probabilities_that_cannot_be_read_are_left_out(logprobs: Any) -> None:
    answer = read({"content": "Yes."}, "stop", WISHED, logprobs=logprobs)
    assert (answer.text, answer.logprobs) == ("Yes.", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 600) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FUNCTION = {"name": st.sampled_from(["time", "weather"]) | JSON, "arguments": JSON}
CALL = {
    "id": JSON,
    "type": st.just("function") | JSON,
    "function": JSON | st.fixed_dictionaries({}, optional=FUNCTION),
}
SAID = st.fixed_dictionaries({}, optional=CALL)


@given(JSON | st.lists(SAID, max_size=3), JSON, JSON, st.sampled_from(["stop", "tool_calls", "length"]))
def test_whatever_stands_for_calls_thoughts_and_probabilities_is_read_or_is_no_answer(
    calls: Any, thoughts: Any, logprobs: Any, reason: str
) -> None:
    message = {"content": "Yes.", "tool_calls": calls, "reasoning_content": thoughts}
    try:
        answer = read(message, reason, asked(wishes=Wishes(top_logprobs=1)), logprobs={"content": logprobs})
    except Transient as error:
        assert error.kind == "malformed"
    else:
        assert ModelAnswer.model_validate_json(answer.model_dump_json()) == answer
        assert len({call.call_id for call in answer.calls}) == len(answer.calls)
