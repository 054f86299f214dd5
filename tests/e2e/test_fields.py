"""Each field of a request in the specification, through the whole chain: what a model is sent, what is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from agent.testing.fake_model import Script
from tests.e2e.house import House, Open
from tests.spec import FILE, PRESENT, check_response, check_stream

FUNCTION = {"type": "function", "name": "time", "description": None, "parameters": None, "strict": None}
TOOL = {"type": "function", "name": "time"}
CALLS = {"tool_calls": [{"id": "c1", "function": {"name": "time", "arguments": {}}}]}
SPOKEN = {"answer": "Well said."}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
FORM = {"type": "json_schema", "name": "number", "schema": SCHEMA, "strict": True}


@dataclass(frozen=True)
class Case:
    """A field as it is sent; then parts of the response, and of what the model was sent. Ellipsis: absent."""

    name: str
    body: dict[str, Any]
    shown: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    says: dict[str, Any] = field(default_factory=lambda: SPOKEN)

    def __str__(self) -> str:
        return f"{self.name}: {orjson.dumps(self.body).decode()[:60]}"


def same(name: str, value: Any, wire: str | None = None, **more: Any) -> Case:
    """A field that is echoed, and handed on under its own name or another."""
    return Case(name, {name: value, **more}, shown={name: value}, sent={wire or name: value})


CASES = [
    Case("model", {"model": "chat"}, shown={"model": "chat"}, sent={"model": "m1"}),
    Case("input", {"input": "Well?"}),
    Case("input", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Well?"}]}]}),
    Case("instructions", {"instructions": "Be brief."}, shown={"instructions": "Be brief."}),
    Case("metadata", {"metadata": {"a": "b"}}, shown={"metadata.a": "b"}),
    same("temperature", 0.5),
    same("top_p", 0.5),
    same("presence_penalty", -1.5),
    same("frequency_penalty", 1.5),
    Case("top_logprobs", {"top_logprobs": 2}, shown={"top_logprobs": 2}, sent={"logprobs": True, "top_logprobs": 2}),
    Case("include", {"include": ["message.output_text.logprobs"]}, sent={"logprobs": True, "top_logprobs": ...}),
    Case("include", {"include": ["reasoning.encrypted_content"]}),
    Case("max_output_tokens", {"max_output_tokens": 16}, shown={"max_output_tokens": 16}, sent={"max_tokens": 16}),
    Case(
        "max_output_tokens",
        {"max_output_tokens": 16},
        shown={"status": "incomplete", "incomplete_details.reason": "max_output_tokens"},
        says={**SPOKEN, "finish_reason": "length"},
    ),
    Case("store", {"store": False}, shown={"store": False}),
    Case("service_tier", {"service_tier": "flex"}, shown={"service_tier": "flex"}, sent={"service_tier": "flex"}),
    Case("service_tier", {"service_tier": "auto"}, shown={"service_tier": "default"}),
    same("prompt_cache_key", "key"),
    same("safety_identifier", "who"),
    Case(
        "reasoning",
        {"reasoning": {"effort": "low", "summary": "auto"}},
        shown={"reasoning": {"effort": "low", "summary": "auto"}},
        sent={"reasoning_effort": "low"},
    ),
    Case("text", {"text": {"verbosity": "low"}}, shown={"text.verbosity": "low"}, sent={"verbosity": "low"}),
    Case("text", {"text": {"format": FORM}}, shown={"text.format.schema": SCHEMA}, says={"answer": {"n": 7}}),
    Case(
        "tools",
        {"tools": [TOOL]},
        shown={"tools": [FUNCTION], "output.0.type": "function_call"},
        sent={"tools.0.function.name": "time"},
        says=CALLS,
    ),
    Case(
        "tool_choice",
        {"tools": [TOOL], "tool_choice": "required"},
        shown={"tool_choice": "required", "output.0.name": "time"},
        sent={"tool_choice": "required"},
        says=CALLS,
    ),
    Case("tool_choice", {"tools": [TOOL], "tool_choice": "none"}, shown={"tool_choice": "none"}),
    Case("tool_choice", {"tools": [TOOL], "tool_choice": "auto"}, shown={"tool_choice": "auto"}),
    Case(
        "tool_choice",
        {"tools": [TOOL], "tool_choice": TOOL},
        shown={"tool_choice": TOOL},
        sent={"tool_choice": {"type": "function", "function": {"name": "time"}}},
        says=CALLS,
    ),
    Case(
        "tool_choice",
        {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [TOOL]}},
        shown={"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [TOOL]}},
    ),
    Case(
        "parallel_tool_calls",
        {"tools": [TOOL], "parallel_tool_calls": False},
        shown={"parallel_tool_calls": False},
        sent={"parallel_tool_calls": False},
        says=CALLS,
    ),
    Case("max_tool_calls", {"tools": [TOOL], "max_tool_calls": 1}, shown={"max_tool_calls": 1}, says=CALLS),
    Case("truncation", {"truncation": "auto"}, shown={"truncation": "auto"}),
    Case("truncation", {"truncation": "disabled"}, shown={"truncation": "disabled"}),
]
ELSEWHERE = {"background", "previous_response_id", "stream", "stream_options"}
"""Fields with a test of their own below: what they do is more than a value to look at."""


def test_every_field_of_the_specification_has_a_case() -> None:
    if not PRESENT:
        pytest.skip("the specification is not here")
    schemas = orjson.loads(FILE.read_bytes())["components"]["schemas"]
    missing = sorted(set(schemas["CreateResponseBody"]["properties"]) - {case.name for case in CASES} - ELSEWHERE)
    assert not missing, f"fields without a case: {', '.join(missing)}"


async def test_every_field_is_honoured(house: Open) -> None:
    async with house() as it, it.worker(), it.door() as http:
        for case in CASES:
            await _drive(case, it, http)


async def test_a_response_can_be_gone_on_from(house: Open) -> None:
    async with house({"answer": "Well said."}) as it, it.worker(), it.door() as http:
        first = await _ask(http, input="First?")
        second = await _ask(http, input="Second?", previous_response_id=first["id"])
        assert second["previous_response_id"] == first["id"]
        said = [message["content"] for message in (await it.model.log())[1]["body"]["messages"]]
        assert said[1:] == ["First?", "Well said.", "Second?"]


async def test_a_response_can_be_streamed_and_run_in_the_background(house: Open) -> None:
    async with house({"answer": "Well said."}) as it, it.worker(), it.door() as http:
        wanted = {"stream": True, "stream_options": {"include_obfuscation": False}}
        reply = await http.post("/v1/responses", json={"model": "chat", "input": "Well?", **wanted})
        events = check_stream(reply.content)
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Well said."
        queued = await _ask(http, background=True)
        assert queued["background"] is True
        refused = await http.get("/v1/responses", headers={"connection": "Upgrade", "upgrade": "websocket"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unsupported_endpoint")


async def _drive(case: Case, it: House, http: httpx.AsyncClient) -> None:
    await it.model.play(Script.of([case.says]))
    await it.model.clear()
    body = await _ask(http, **case.body)
    (entry,) = await it.model.log()
    assert body["status"] == case.shown.get("status", "completed"), (str(case), body["error"])
    assert {path: _at(body, path) for path in case.shown} == case.shown, str(case)
    assert {path: _at(entry["body"], path) for path in case.sent} == case.sent, str(case)


async def _ask(http: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    reply = await http.post("/v1/responses", json={"model": "chat", "input": "Well?", **changes})
    assert reply.status_code == 200, (changes, reply.text)
    body: dict[str, Any] = reply.json()
    check_response(body)
    return body


def _at(value: Any, path: str) -> Any:
    """What stands at a path of names and places; ellipsis if nothing does."""
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)]
        elif step not in value:
            return ...
        else:
            value = value[step]
    return value
