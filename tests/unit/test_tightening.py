"""Schemas in strict form, and answers as if they had not been asked for so strictly."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.adapters.model.tightening import loosened, tight
from agent.checks import schema
from agent.checks.json_schema import JsonSchema


def text(value: Any) -> str:
    return orjson.dumps(value).decode()


def strict(value: Any) -> Any:
    found = tight(text(value))
    return None if found is None else found.schema


def test_a_schema_is_tightened_in_depth_and_its_names_stay() -> None:
    assert strict(
        {
            "type": "object",
            "$defs": {"Part": {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}},
            "properties": {
                "default": {"type": "string", "enum": ["default"]},
                "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
            },
            "required": ["default"],
        }
    ) == {
        "type": "object",
        "$defs": {
            "Part": {
                "type": "object",
                "properties": {"n": {"type": ["integer", "null"]}},
                "required": ["n"],
                "additionalProperties": False,
            }
        },
        "properties": {
            "default": {"type": "string", "enum": ["default"]},
            "parts": {"type": ["array", "null"], "items": {"$ref": "#/$defs/Part"}},
        },
        "required": ["default", "parts"],
        "additionalProperties": False,
    }


def test_the_shipped_agents_form_is_strict_as_it_stands() -> None:
    found = tight(schema())
    assert found is not None and found.whole


@pytest.mark.parametrize(
    "given",
    [
        {"type": "string"},
        {"type": "object"},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "patternProperties": {"b": {}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": {"$ref": "other.json", "minLength": 1}}},
        {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}]},
        {"type": "object", "properties": {"a": {"type": "array", "prefixItems": [{}]}}},
    ],
)
def test_what_promises_more_than_a_strict_mode_can_say_has_no_strict_form(given: dict[str, Any]) -> None:
    assert strict(given) is None


def test_what_is_left_out_and_matters_is_told() -> None:
    for extra, whole in ({"maxLength": 3}, False), ({"default": "x"}, True), ({"description": "d"}, True):
        found = tight(text({"type": "object", "properties": {"a": {"type": "string", **extra}}, "required": ["a"]}))
        assert found is not None and found.whole is whole


OPTIONAL = {
    "type": "object",
    "properties": {
        "a": {"type": "string"},
        "b": {"type": ["string", "null"]},
        "c": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "integer"}}}},
    },
    "required": ["a"],
}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"a": "x", "b": None, "c": None}, {"a": "x", "b": None}),
        ({"a": "x", "b": "y", "c": [{"d": None}, {"d": 1}]}, {"a": "x", "b": "y", "c": [{}, {"d": 1}]}),
        ({"a": None, "c": []}, {"a": None, "c": []}),
        ({"a": "null"}, {"a": "null"}),
    ],
)
def test_nulls_that_only_strictness_forced_are_taken_out(said: dict[str, Any], meant: dict[str, Any]) -> None:
    assert orjson.loads(loosened(text(said), text(OPTIONAL))) == meant


def test_what_has_no_such_null_stays_as_it_was_written() -> None:
    for said in ('{ "a":1.0, "b": null}', "null", "no json null", '{"a": 1e2}'):
        assert loosened(said, text(OPTIONAL)) == said


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=8,
)


@given(VALUES)
def test_what_was_right_before_stays_right(value: Any) -> None:
    whole = JsonSchema(text(OPTIONAL))
    if not whole.problems(value):
        assert not whole.problems(orjson.loads(loosened(text(value), text(OPTIONAL))))
