"""JSON Schemas of strangers: what is refused before it is compiled, and what a value is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks.json_schema import MOST_BYTES, MOST_KEPT, BadSchema, JsonSchema, compiled

DOUBLING = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(18)} | {"d18": {"type": "string"}}
DYNAMIC = {f"d{n}": {"$dynamicAnchor": f"n{n}", "allOf": [{"$dynamicRef": f"#n{n + 1}"}] * 9} for n in range(4)} | {
    "d4": {"$dynamicAnchor": "n4"}
}
SLOW = "(a|b)*a(a|b){5000}x"
"""Takes linear time, and tens of microseconds for each character."""
MATCHED = {"anyOf": [{"pattern": f"{n}$"} for n in range(32)]}
TREE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}


def schema(data: Any) -> JsonSchema:
    return JsonSchema(orjson.dumps(data).decode())


def refusal(data: Any) -> BadSchema:
    with pytest.raises(BadSchema) as caught:
        schema(data)
    return caught.value


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = {"next": value}
    return value


@pytest.mark.parametrize(
    ("data", "path", "problem"),
    [
        ({"type": "strin"}, ("type",), "must be one of array, boolean"),
        ({"properties": {"a": {"type": 3}}}, ("properties", "a", "type"), "must be one of array"),
        ({"properties": {"a": {"minimum": "3"}}}, ("properties", "a", "minimum"), "is not of type"),
        ({"properties": 3}, ("properties",), "must be an object"),
        ({"anyOf": {}}, ("anyOf",), "must be an array"),
        ({"items": [{}]}, ("items",), "must be a schema"),
        ({"allOf": [{}, {"not": 1}]}, ("allOf", 1, "not"), "must be a schema"),
        ({"$ref": "https://example.com/a.json"}, ("$ref",), "nothing is fetched"),
        ({"$ref": "file:///etc/passwd"}, ("$ref",), "nothing is fetched"),
        ({"items": {"$ref": "other.json"}}, ("items", "$ref"), "nothing is fetched"),
        ({"$ref": "#/$defs/a"}, ("$ref",), "points to no subschema"),
        ({"$ref": "#/x", "x": {}}, ("$ref",), "points to no subschema"),
        ({"$ref": 3}, ("$ref",), "must be a string"),
        ({"$anchor": ["a"]}, ("$anchor",), "must be a string"),
        ({"$dynamicRef": "#a"}, ("$dynamicRef",), "points to no subschema"),
        ({"$dynamicAnchor": "a", "$dynamicRef": "#a"}, (), "never ends"),
        ({"$dynamicRef": "#n0", "$defs": DYNAMIC}, ("$defs", "d0"), "more than 5000 subschemas"),
        ({"dependencies": {}}, ("dependencies",), "dependentRequired"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, ("$schema",), "a draft that is known"),
        ({"items": {"$id": "a#b"}}, ("items", "$id"), "no fragment"),
        ({"items": {"$id": "a"}, "not": {"$id": "a"}}, ("not", "$id"), "another part of this schema"),
        ({"$defs": {"b": {"$anchor": "a"}, "c": {"$anchor": "a"}}}, ("$defs", "b", "$anchor"), "another subschema"),
        ({"$id": "http://a.b/c", "$ref": "d"}, ("$ref",), "nothing is fetched"),
        ({"$ref": "#"}, (), "never ends"),
        ({"allOf": [{"$ref": "#"}]}, ("allOf", 0), "never ends"),
        ({"$ref": "#/$defs/d0", "$defs": DOUBLING}, ("$defs", "d7"), "more than 5000 subschemas"),
        ({"pattern": "(?=a)b"}, ("pattern",), "look-around"),
        ({"pattern": "((a{100}){100}){100}"}, ("pattern",), "moderate size"),
        ({"patternProperties": {"(": {}}}, ("patternProperties", "("), "must be a regular expression"),
        ({"pattern": "a" * 1001}, ("pattern",), "more than 1000 characters"),
        ({"anyOf": [{"pattern": str(n)} for n in range(33)]}, (), "more than 32 patterns"),
        ({"properties": {str(n): {} for n in range(2000)}}, (), "more than 2000 subschemas"),
        ({"description": "a" * MOST_BYTES}, (), "larger than"),
    ],
)
def test_a_bad_schema_is_refused_with_its_place(data: Any, path: tuple[str | int, ...], problem: str) -> None:
    refused = refusal(data)
    assert refused.path == path
    assert problem in refused.problem


def test_a_schema_that_is_nested_too_deeply_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(30):
        deep = {"properties": {"a": deep}}
    assert "deeper than 48 levels" in refusal(deep).problem


def test_a_long_chain_of_references_is_refused() -> None:
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1500)} | {"d1500": {}}
    assert "100 hops" in refusal({"$defs": chain}).problem


@pytest.mark.parametrize(
    ("data", "value", "problems"),
    [
        ({"type": "integer"}, "x", ['/: it is not of type "integer"']),
        ({"properties": {"a/b": {"items": {"const": 1}}}}, {"a/b": [1, 2]}, ["/a~1b/1: 1 was expected"]),
        ({"required": ["a"]}, {}, ['/: "a" is a required property']),
        ({"format": "date-time"}, "tomorrow", ['/: it is not a "date-time"']),
        ({"format": "of-our-own"}, "x", []),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "null"}}}, 1, []),
        ({"$ref": "#/definitions/a", "definitions": {"a": {"type": "null"}}}, 1, ['/: it is not of type "null"']),
        ({"$ref": "#b", "$defs": {"a": {"$anchor": "b", "type": "null"}}}, 1, ['/: it is not of type "null"']),
        ({"$id": "https://example.com/a", "items": {"$ref": "#"}, "type": "array"}, [[]], []),
        ({"prefixItems": [{"type": "null"}], "items": False}, [None, 1], ["/1: False schema does not allow it"]),
        ({"anyOf": [{"type": "null"}, {"required": ["a"]}]}, {}, None),
    ],
)
def test_a_value_is_told_what_is_wrong_with_it(data: Any, value: Any, problems: list[str] | None) -> None:
    told = schema(data).problems(value)
    assert told == problems if problems is not None else len(told) == 1


def test_problems_lie_inside_the_alternative_that_fits_best() -> None:
    inner = {"type": "object", "properties": {"size": {"type": "integer"}}}
    assert schema({"anyOf": [{"type": "null"}, inner]}).problems({"size": "big"}) == [
        '/size: it is not of type "integer"'
    ]


def test_no_more_than_eight_problems_are_told_and_none_quotes_the_value() -> None:
    told = schema({"items": {"type": "integer"}}).problems(["secret"] * 20)
    assert len(told) == 8
    assert told[-1] == "and 13 more problems"
    assert not any("secret" in problem for problem in told)


@pytest.mark.parametrize(
    ("data", "value", "told"),
    [
        (TREE, nested(3, 30), "too deeply nested"),
        ({"items": {"type": "integer"}}, ["a"] * 30_000, "too large to say where"),
        ({"properties": {"next": {"$ref": "#"}}, "required": ["last"]}, nested({}, 900), "too large to say where"),
        ({"pattern": SLOW}, "ab" * 50_000, "too large or"),
        ({"patternProperties": {SLOW: {}}}, {"ab" * 50_000: 1}, "too large or"),
        ({"propertyNames": {"pattern": SLOW}}, {"ab" * 50_000: 1}, "too large or"),
        ({"items": {"required": [str(n) for n in range(200)]}}, [{}] * 100, "too large to say where"),
        ({"$defs": {"a": MATCHED}, "allOf": [{"$ref": "#/$defs/a"}] * 70}, "a" * 900_000, "too large"),
    ],
)
def test_a_value_that_would_take_long_to_check_is_no_right_one(data: Any, value: Any, told: str) -> None:
    (problem,) = schema(data).problems(value)
    assert told in problem


NAMED = {"a" * 9 + str(n): 1 for n in range(4_900)}
LONG_NAME = "a" * 900_000
LONG_WORD = "x" * 120_000
COMPARED = [1] * 25_000
ALIKE = [[*COMPARED, n] for n in range(15)]


@pytest.mark.parametrize(
    ("data", "value", "told"),
    [
        ({"allOf": [{"uniqueItems": True}] * 1_900}, list(range(130_000)), "too large or"),
        ({"propertyNames": {"allOf": [{"maxLength": 1}] * 1_900}}, {LONG_NAME: 1}, "too large or"),
        (
            {"$defs": {"a": {"const": COMPARED}}, "items": {"anyOf": [{"$ref": "#/$defs/a"}] * 900}},
            ALIKE,
            "too large or",
        ),
        (
            {"$defs": {"a": {"enum": [COMPARED]}}, "items": {"anyOf": [{"$ref": "#/$defs/a"}] * 900}},
            ALIKE,
            "too large or",
        ),
        ({"items": {"multipleOf": 1e-300}}, [1.7e308] * 90_000, "too large or"),
        ({"propertyNames": {"maxLength": 1}}, NAMED, "too large to say where"),
        ({"allOf": [{"type": "null"}] * 1_900}, list(range(100_000)), "too large to say where"),
        ({"additionalProperties": {"allOf": [{"type": "null"}] * 1_900}}, {LONG_NAME: 1}, "too large to say where"),
        ({"additionalProperties": {"items": {"type": "null"}}}, {LONG_NAME: [1] * 9_900}, "too large to say where"),
        ({"items": {"required": [LONG_WORD]}}, [{}] * 900, "too large to say where"),
        ({"items": {"const": LONG_WORD}}, [1] * 900, "too large to say where"),
    ],
)
def test_work_that_grows_with_a_value_or_with_words_of_a_schema_is_counted(data: Any, value: Any, told: str) -> None:
    (problem,) = schema(data).problems(value)
    assert told in problem


@pytest.mark.parametrize(
    ("data", "value", "told"),
    [
        ({"items": {"required": ["a"], "properties": {"a": {"type": "integer"}}}}, [{"a": 1}] * 999 + [{}], "/999: "),
        ({"propertyNames": {"maxLength": 8}, "minProperties": 99}, {f"name{n}": 1 for n in range(98)}, "/: "),
        ({"uniqueItems": True}, [*range(20_000), 0], "/: it has non-unique"),
        ({"items": {"multipleOf": 0.01}}, [0.07] * 999 + [0.001], "/999: "),
    ],
)
def test_what_is_wrong_with_a_value_of_a_usual_size_is_still_told(data: Any, value: Any, told: str) -> None:
    (problem,) = schema(data).problems(value)
    assert problem.startswith(told)


def test_names_that_a_schema_does_not_know_cost_it_nothing() -> None:
    assert schema({"allOf": [{"properties": {"a": {}}}] * 900}).problems({str(n): 1 for n in range(80_000)}) == []


@pytest.mark.parametrize("text", ['{"minimum":1e400}', '{"const":1' + "0" * 400 + "}", '{"pattern":"\\ud800"}', "{"])
def test_text_that_is_no_json_for_everybody_is_no_schema(text: str) -> None:
    with pytest.raises(BadSchema, match="is no JSON"):
        JsonSchema(text)


def test_a_pattern_cannot_make_the_check_slow() -> None:
    assert schema({"pattern": SLOW}).problems("ab" * 500) != []
    assert schema({"pattern": "^(a+)+$"}).problems("a" * 100_000 + "b") != []


def test_compiled_schemas_are_kept_up_to_a_bound() -> None:
    texts = [orjson.dumps({"const": n}).decode() for n in range(MOST_KEPT + 1)]
    first = compiled(texts[0])
    assert compiled(texts[0]) is first
    for text in texts[1:]:
        compiled(text)
    assert compiled(texts[0]) is not first


KEYWORDS = st.sampled_from(["allOf", "anyOf", "oneOf", "not", "if", "items", "properties", "$ref", "unevaluatedItems"])


@st.composite
def wild(draw: st.DrawFn, depth: int = 3) -> dict[str, Any]:
    node: dict[str, Any] = {}
    for name in draw(st.lists(KEYWORDS, max_size=3, unique=True)):
        match name:
            case "allOf" | "anyOf" | "oneOf":
                node[name] = draw(st.lists(wild(depth - 1), min_size=1, max_size=3)) if depth else [{}]
            case "properties":
                node[name] = {"a": draw(wild(depth - 1))} if depth else {}
            case "$ref":
                node[name] = draw(st.sampled_from(["#", "#/properties/a", "#/items", "#/allOf/0", "#/not"]))
            case _:
                node[name] = draw(wild(depth - 1)) if depth else {}
    return node


@given(
    wild(), st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3) | st.fixed_dictionaries({"a": inner}))
)
def test_any_schema_is_either_refused_with_its_place_or_checks_any_value(data: dict[str, Any], value: Any) -> None:
    try:
        told = schema(data).problems(value)
    except BadSchema as refused:
        assert refused.problem
    else:
        assert len(told) <= 8
