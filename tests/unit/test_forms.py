"""How a client's form is asked for, rung by rung, and what a draft is worth in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from agent.adapters.model.classify import Reply
from agent.adapters.model.forms import Rung
from agent.adapters.model.ladder import Shape, adapted, body
from agent.effects import CallModel
from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, Event
from agent.items import FunctionCall, FunctionTool, TextFormat, TextOptions
from agent.request import Message, Request
from agent.run import Run
from agent.steps import Validate
from agent.testing import Script

SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": {"size": {"type": "integer"}}}
SIZED = TextFormat(type="json_schema", name="sized", description="How big.", json_schema=orjson.dumps(SCHEMA).decode())
OBJECT = TextFormat(type="json_object")
CALL = FunctionCall(call_id="call_1", name="look", arguments="{}")
REFUSED = Reply(
    400, {}, b'{"error": {"message": "response_format is not supported"}}', datetime(2027, 1, 1, tzinfo=UTC)
)


def asked(form: TextFormat) -> CallModel:
    said = (Message(role="system", content="Be kind."), Message(role="user", content="How big?"))
    return CallModel(model="m", prompt="chat@1", messages=said, max_output_tokens=9, form=form)


def sent(form: TextFormat, rung: Rung) -> tuple[Any, str]:
    """The field, and the words of the system."""
    fields = body(asked(form), Shape(rung))
    return fields.get("response_format"), fields["messages"][0]["content"]


def test_a_schema_is_sent_tightened_under_the_clients_name() -> None:
    wanted, words = sent(SIZED, "json_schema_strict")
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"] == {
        "name": "sized",
        "description": "How big.",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"size": {"type": ["integer", "null"]}},
            "additionalProperties": False,
            "required": ["size"],
        },
    }
    assert words == "Be kind."


def test_below_strictness_the_schema_is_sent_as_it_was_given() -> None:
    wanted, words = sent(SIZED, "json_schema")
    assert wanted["json_schema"] == {"name": "sized", "description": "How big.", "schema": SCHEMA}
    assert words == "Be kind."


def test_a_schema_that_no_strict_mode_takes_is_sent_without_strictness() -> None:
    loose = TextFormat(type="json_schema", json_schema='{"type":"object","patternProperties":{"a":{}}}')
    wanted, _ = sent(loose, "json_schema_strict")
    assert "strict" not in wanted["json_schema"]


def test_what_the_strict_form_leaves_out_is_said_in_words() -> None:
    bounded = '{"type":"object","properties":{"a":{"type":"string","maxLength":3}},"required":["a"]}'
    wanted, words = sent(TextFormat(type="json_schema", json_schema=bounded), "json_schema_strict")
    assert wanted["json_schema"]["strict"] is True and "maxLength" not in str(wanted)
    assert words.endswith(bounded)


@pytest.mark.parametrize(("rung", "field"), [("json_object", {"type": "json_object"}), ("none", None)])
def test_lower_rungs_are_told_the_schema_in_words(rung: Rung, field: Any) -> None:
    wanted, words = sent(SIZED, rung)
    assert wanted == field
    assert words.startswith("Be kind.\n\nReply with one JSON value")
    assert words.endswith(SIZED.json_schema or "?")


@pytest.mark.parametrize(
    ("rung", "field"),
    [("json_schema_strict", "json_object"), ("json_schema", "json_object"), ("json_object", "json_object")],
)
def test_any_object_is_asked_for_on_its_own_rung_and_in_words_too(rung: Rung, field: str) -> None:
    wanted, words = sent(OBJECT, rung)
    assert wanted == {"type": field}
    assert "one JSON object" in words


def test_plain_text_is_asked_for_as_ever() -> None:
    assert sent(TextFormat(), "json_schema") == (None, "Be kind.")
    assert b'"form"' not in asked(TextFormat()).canonical()


def test_a_refused_form_steps_down() -> None:
    shape: Shape | None = Shape()
    for rung in ("json_schema", "json_object", "none"):
        assert shape is not None
        shape = adapted(shape, asked(SIZED), REFUSED)
        assert shape == Shape(rung)
    assert adapted(Shape(), asked(OBJECT), REFUSED) == Shape("none")
    assert adapted(Shape(), asked(TextFormat()), REFUSED) is None


# Validate


async def judged(draft: str, form: TextFormat = SIZED, **fields: Any) -> Event:
    tools = (FunctionTool(name="look"),)
    question = Message(role="user", content="How big?")
    request = Request(messages=(question,), text=TextOptions(format=form), tools=tools)
    run = Run(id="resp_1", project="default", agent="chat", request=request, deadline=datetime(2027, 1, 1, tzinfo=UTC))
    event = AnswerDrafted.model_validate({"draft": draft, "model": "m", "endpoint": "e", "prompt": "p@1", **fields})
    *_, found = await Validate((), None, "")(event, run, Script({}))
    return found


async def test_only_valid_json_is_accepted() -> None:
    accepted = await judged('{"size": 3}')
    assert isinstance(accepted, AnswerAccepted)
    assert (accepted.text, accepted.checks, accepted.incomplete) == ('{"size": 3}', ("output_is_valid",), None)
    rejected = await judged('{"size": "x"}')
    assert isinstance(rejected, DraftRejected)
    assert [problem.message for problem in rejected.problems] == ['/size: it is not of type "integer"']


async def test_a_cut_answer_ends_without_a_word_unless_it_is_whole() -> None:
    cut = await judged('{"size": 3', finish_reason="length")
    assert cut == AnswerAccepted(text="", incomplete="max_output_tokens", model="m")
    whole = await judged('{"size": 3}', finish_reason="length")
    assert isinstance(whole, AnswerAccepted)
    assert (whole.text, whole.incomplete) == ('{"size": 3}', "max_output_tokens")


async def test_beside_calls_only_words_in_the_form_are_shown() -> None:
    prose = await judged("I will look.", calls=(CALL,), finish_reason="tool_calls")
    assert isinstance(prose, AnswerAccepted)
    assert (prose.text, prose.calls) == ("", (CALL,))
    formed = await judged('{"size": 3}', calls=(CALL,), finish_reason="tool_calls")
    assert isinstance(formed, AnswerAccepted)
    assert (formed.text, formed.calls) == ('{"size": 3}', (CALL,))
