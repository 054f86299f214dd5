"""`text`: the form of the answer. A schema that could not be honoured opens no run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from agent.access import Project
from agent.definition import Agent
from agent.items import TextFormat, TextOptions
from api.access import Caller
from api.admission import admit
from api.echo import echo
from api.errors import ApiError
from tests.stage import Stage, card

DOOR = Stage().door
CALLER = Caller(Project("default"))
SCHEMA = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
FORM = {"type": "json_schema", "name": "sized", "schema": SCHEMA}


def admitted(text: Any) -> TextOptions:
    return admit({"model": "chat", "input": "How big?", "text": text}, DOOR, CALLER).request.text


def refused(text: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        admitted(text)
    assert (caught.value.status, caught.value.code) in {(400, "invalid_request"), (400, "unknown_parameter")}
    return caught.value


@pytest.mark.parametrize("text", [None, {}, {"format": None}, {"format": {"type": "text"}}, {"verbosity": None}])
def test_text_that_asks_for_nothing_is_plain_text(text: Any) -> None:
    assert admitted(text) == TextOptions()


def test_a_format_stands_on_the_request_as_it_was_sent() -> None:
    assert admitted({"format": {"type": "json_object"}}).format == TextFormat(type="json_object")
    form = admitted({"format": {**FORM, "strict": True, "description": "How big."}, "verbosity": "low"})
    assert (form.format.name, form.format.description, form.format.strict) == ("sized", "How big.", True)
    assert orjson.loads(form.format.json_schema or "") == SCHEMA
    assert form.verbosity == "low"


def test_a_response_shows_the_schema_that_was_sent() -> None:
    request = admit({"model": "chat", "input": "How big?", "text": {"format": FORM}}, DOOR, CALLER).request
    assert echo(request)["text"] == {"format": {**FORM, "description": None, "strict": False}}


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("json", "text"),
        ({"form": {}}, "text.form"),
        ({"verbosity": "some"}, "text.verbosity"),
        ({"format": "json_object"}, "text.format"),
        ({"format": {"type": "grammar"}}, "text.format.type"),
        ({"format": {}}, "text.format.type"),
        ({"format": {"type": "text", "name": "x"}}, "text.format.name"),
        ({"format": {"type": "json_object", "schema": {}}}, "text.format.schema"),
        ({"format": {**FORM, "name": "two words"}}, "text.format.name"),
        ({"format": {**FORM, "name": None}}, "text.format.name"),
        ({"format": {**FORM, "strict": "yes"}}, "text.format.strict"),
        ({"format": {**FORM, "description": 3}}, "text.format.description"),
        ({"format": {**FORM, "schema": None}}, "text.format.schema"),
        ({"format": {**FORM, "schema": True}}, "text.format.schema"),
        ({"format": {**FORM, "schema": {"type": "objekt"}}}, "text.format.schema.type"),
        (
            {"format": {**FORM, "schema": {"properties": {"a": {"items": {"$ref": "http://example.com"}}}}}},
            "text.format.schema.properties.a.items.$ref",
        ),
        ({"format": {**FORM, "schema": {"anyOf": [{}, {"pattern": "("}]}}}, "text.format.schema.anyOf[1].pattern"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_path(text: Any, param: str) -> None:
    assert refused(text).param == param


def test_an_agent_whose_answer_has_a_form_of_its_own_takes_no_other_and_says_who_does() -> None:
    class Own(BaseModel):
        word: str

    own = card("own")
    bound = replace(own, agent=Agent(name="own", prompt="own", output=Own))  # type: ignore[type-var]
    door = replace(DOOR, agents={**DOOR.agents, "own": bound})
    with pytest.raises(ApiError) as caught:
        admit({"model": "own", "input": "How big?", "text": {"format": FORM}}, door, CALLER)
    assert (caught.value.status, caught.value.param) == (400, "text.format")
    assert "'chat'" in caught.value.message
