"""What the fake model says to any library: it calls each function once, fills in forms, and else says a few words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agent.testing.fake_model.call import Call
from agent.testing.fake_model.script import Line

JOKE = {"setup": "Why did the cat sit on the mat?", "punchline": "It was its turn."}
_QUOTED = re.compile(r"'([^']{2,40})'")


def oblige(call: Call) -> Line:
    """The line for a call, made up from what it asks for."""
    body, asked = call.body or {}, call.question
    if (tool := _wanted(body)) is not None:
        function = tool["function"]
        arguments = made_up(function.get("parameters") or {}, asked)
        return Line.model_validate({"tool_calls": [{"function": {"name": function["name"], "arguments": arguments}}]})
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        return Line(answer=made_up(form["json_schema"]["schema"], asked))
    return Line(answer=JOKE if form.get("type") == "json_object" else "The lamp on the desk is green, and it is warm.")


def _wanted(body: Mapping[str, Any]) -> Any:
    """The first function that may be called and was not called since the user has spoken."""
    said = body["messages"]
    since = max(place for place, message in enumerate(said) if message["role"] in ("user", "system"))
    called = [call["function"]["name"] for message in said[since:] for call in message.get("tool_calls") or ()]
    choice = body.get("tool_choice")
    for tool in body.get("tools") or ():
        name = tool["function"]["name"]
        named = choice["function"]["name"] if isinstance(choice, dict) else name
        if choice != "none" and name == named and name not in called:
            return tool
    return None


def made_up(schema: Mapping[str, Any], asked: str, root: Mapping[str, Any] | None = None) -> Any:
    """A value that is valid under a plain schema. Words in single quotes are taken from what was asked."""
    root = schema if root is None else root
    if "$ref" in schema:
        return made_up(root["$defs"][schema["$ref"].rpartition("/")[2]], asked, root)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return made_up(schema[keyword][0], asked, root)
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    if schema.get("type", "object") == "object":
        return {name: made_up(inner, asked, root) for name, inner in schema.get("properties", {}).items()}
    quoted = _QUOTED.search(asked)
    plain = {"integer": 3, "number": 3.5, "boolean": True, "array": [], "null": None}
    return plain.get(schema["type"], quoted[1] if quoted else "green")
