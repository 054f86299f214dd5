"""What is sent to an endpoint, and what is sent next when it refuses a field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.adapters.model.classify import Reply
from agent.adapters.model.ladder import Shape, adapted, body, first_shape
from agent.effects import CallModel
from agent.events import Passage, Problem
from agent.prompting import SHIPPED, Fence, PromptBook, opening, repairing
from agent.request import Message, Request

ASKED = CallModel(
    model="m",
    prompt="answer@1",
    messages=(Message(role="system", content="Be brief."), Message(role="user", content="Why?")),
    max_output_tokens=64,
    temperature=0.0,
    output_schema='{"properties":{"answer":{"type":"string"}},"type":"object"}',
)
PLAIN = ASKED.model_copy(update={"output_schema": None, "temperature": None})


def refusal(message: str, status: int = 400, **more: Any) -> Reply:
    content = json.dumps({"error": {"message": message, **more}}).encode()
    return Reply(status, {}, content, datetime(2026, 11, 5, tzinfo=UTC))


def test_the_first_try_asks_for_the_schema_strictly() -> None:
    assert body(ASKED, first_shape("auto")) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
        "max_tokens": 64,
        "temperature": 0.0,
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "answer",
                "strict": True,
                "schema": {
                    "type": "object",
                    "properties": {"answer": {"type": ["string", "null"]}},
                    "required": ["answer"],
                    "additionalProperties": False,
                },
            },
        },
    }


def test_what_was_not_asked_for_is_not_sent() -> None:
    assert body(PLAIN, first_shape("auto")).keys() == {"model", "messages", "max_tokens"}


def test_lone_surrogates_in_a_prompt_can_be_sent() -> None:
    broken = PLAIN.model_copy(update={"messages": (Message.model_construct(role="user", content="a\ud800"),)})
    assert body(broken, Shape())["messages"] == [{"role": "user", "content": "a?"}]


@pytest.mark.parametrize(
    "reply",
    [
        refusal("Invalid schema", param="response_format"),
        refusal("This model does not support response format `json_schema`"),
        refusal("'response_format.type' must be 'json_schema' or 'text'"),
        refusal("Failed to compile the grammar", status=422),
    ],
)
def test_a_refused_response_format_steps_down_rung_by_rung_to_nothing(reply: Reply) -> None:
    loose = adapted(Shape(), ASKED, reply)
    assert loose is not None
    assert "strict" not in body(ASKED, loose)["response_format"]["json_schema"]
    second = adapted(loose, ASKED, reply)
    assert second is not None
    assert body(ASKED, second)["response_format"] == {"type": "json_object"}
    third = adapted(second, ASKED, reply)
    assert third is not None
    assert "response_format" not in body(ASKED, third)
    assert adapted(third, ASKED, reply) is None


def test_a_rung_that_the_settings_name_is_kept() -> None:
    assert adapted(first_shape("json_schema"), ASKED, refusal("no response_format here")) is None
    assert body(ASKED, first_shape("json_object"))["response_format"] == {"type": "json_object"}
    assert "response_format" not in body(ASKED, first_shape("none"))


def test_a_refused_max_tokens_is_called_by_its_other_name() -> None:
    reply = refusal("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", param="max_tokens")
    shape = adapted(Shape(), PLAIN, reply)
    assert shape is not None
    sent = body(PLAIN, shape)
    assert sent["max_completion_tokens"] == 64
    assert "max_tokens" not in sent
    assert adapted(shape, PLAIN, reply) is None


def test_a_refused_temperature_is_left_out() -> None:
    reply = refusal("Unsupported value: 'temperature' does not support 0", param="temperature")
    shape = adapted(Shape(), ASKED, reply)
    assert shape is not None
    assert "temperature" not in body(ASKED, shape)
    assert adapted(shape, ASKED, reply) is None


@pytest.mark.parametrize(
    "reply",
    [
        refusal("context length exceeded"),
        refusal("response_format", status=500),
        refusal("response_format", status=404),
    ],
)
def test_other_failures_teach_nothing(reply: Reply) -> None:
    assert adapted(Shape(), ASKED, reply) is None


def test_a_field_that_was_not_sent_is_not_given_up() -> None:
    assert adapted(Shape(), PLAIN, refusal("neither response_format nor temperature")) is None


def test_a_repair_begins_with_the_very_bytes_of_the_call_before_it() -> None:
    prompt = PromptBook.load(SHIPPED).current("answer")
    passage = Passage(id="psg_1", label="p1", document_id="d", title="T", source="t.md", text="The tower is 330 m.")
    fence, asked = Fence.of("resp_1"), Request(messages=(Message(role="user", content="How high?"),))
    opened = opening(prompt, asked, (passage,), fence)
    first = repairing(opened, prompt, "zebra", [Problem(check="c", message="wrong")], fence)
    second = repairing(opened, prompt, "two", [Problem(check="c", message="wrong again")], fence)
    sent = [
        json.dumps(body(ASKED.model_copy(update={"messages": it}), Shape())["messages"])[:-1]
        for it in (opened, first, second)
    ]
    assert sent[1].startswith(sent[0])
    assert sent[2].startswith(sent[0])
    assert "zebra" not in sent[2].removeprefix(sent[0]), "the newest feedback takes the place of the last"
