"""Answers as JSON: what counts as one, and that nothing else does."""

from __future__ import annotations

import orjson
import pytest

from agent.checks.structured import structured
from agent.items import TextFormat

OBJECT = TextFormat(type="json_object")
SIZED = TextFormat(
    type="json_schema",
    name="sized",
    json_schema=orjson.dumps({"type": "object", "properties": {"size": {"type": "integer"}}}).decode(),
)
LIST = TextFormat(type="json_schema", name="all", json_schema='{"type":"array"}')


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('{"size": 3}', '{"size": 3}'),
        (' {"size":3.0}\n', '{"size":3.0}'),
        ('```json\n{"size": 3}\n```', '{"size": 3}'),
        ('<think>{"size": "no"}</think>{"size": 3}', '{"size": 3}'),
        ('Here you are: {"size": 3}', '{"size": 3}'),
        ('{"size": 123456789012345678901234567890}', '{"size": 123456789012345678901234567890}'),
    ],
)
def test_an_answer_is_given_as_the_model_wrote_it(raw: str, text: str) -> None:
    assert structured(raw, "stop", SIZED) == text
    assert structured(raw, "stop", OBJECT) == text


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("", "not one JSON value"),
        ("Three.", "not one JSON value"),
        ('{"size": 3} {"size": 4}', "not one JSON value"),
        ('{"size": 3, "size": "x"}', "same name twice"),
        ('{"size": NaN}', "not one JSON value"),
        ('{"size": 1e999}', "not one JSON value"),
        ('{"size": "\\ud800"}', "not one JSON value"),
        ('{"size": ' + "9" * 5000 + "}", "not one JSON value"),
        ('{"size": ' + "[" * 300 + "]" * 300 + "}", "nested deeper"),
        ('{"size": "x"}', '/size: it is not of type "integer"'),
        ("[3]", '/: it is not of type "object"'),
        ("x" * 1_000_001, "be shorter"),
    ],
)
def test_what_is_not_the_wanted_json_is_told_to_the_model(raw: str, told: str) -> None:
    problems = structured(raw, "stop", SIZED)
    assert isinstance(problems, list)
    assert told in problems[0]


def test_a_json_object_is_an_object_and_a_schema_may_want_something_else() -> None:
    assert structured("[3]", "stop", OBJECT) == ["the answer is JSON, but no object"]
    assert structured("[3]", "stop", LIST) == "[3]"


def test_what_was_cut_off_is_never_completed() -> None:
    assert isinstance(structured('{"size": 3', "length", SIZED), list)
    assert isinstance(structured('{"size": 3} and {"si', "length", SIZED), list)
    assert structured('{"size": 3}', "length", SIZED) == '{"size": 3}'
