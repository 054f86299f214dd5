"""Items as clients see them, out of a run's request and its ending. Their ids follow from the run and their place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import orjson

from agent.events import AnswerAccepted
from agent.items import FunctionCall, ImagePart, Part, ReasoningItem
from agent.request import Message, Request
from api.annotations import annotated
from api.links import Links

Kind = Literal["msg", "fc", "fco", "rs"]
_ID = re.compile(r"(?:msg|fc|fco|rs)_([0-9a-zA-Z]{1,64})(?:_(?:in)?[0-9]{1,4}){0,2}")


def output_items(run: str, request: Request, answer: AnswerAccepted, links: Links) -> list[dict[str, Any]]:
    """The items of an answer: summaries of thoughts, the message, calls of functions."""
    items: list[dict[str, Any]] = []
    if answer.reasoning:
        summary = [{"type": "summary_text", "text": text} for text in answer.reasoning]
        items.append({"type": "reasoning", "id": _id("rs", run), "summary": summary})
    if answer.text.strip() or not (answer.calls or answer.incomplete):
        items.append(_answer(run, request, answer, links))
    return [*items, *(_call(call, _id("fc", run, f"_{n}")) for n, call in enumerate(answer.calls))]


def input_items(run: str, request: Request) -> list[dict[str, Any]]:
    """The items of a request, oldest first, with ids of ours."""
    return [item for place, message in enumerate(request.messages) for item in _sent(message, run, f"_in{place}")]


def run_of(item: str) -> str | None:
    """The id of the run that an item's id belongs to; None if it is no id of ours."""
    found = _ID.fullmatch(item)
    return f"resp_{found[1]}" if found else None


def _id(kind: Kind, run: str, place: str = "") -> str:
    return f"{kind}_{run.removeprefix('resp_')}{place}"


def _answer(run: str, request: Request, answer: AnswerAccepted, links: Links) -> dict[str, Any]:
    notes = annotated(answer, request, links)
    part: dict[str, Any] = {"type": "output_text", "text": answer.text, "annotations": notes}
    if answer.logprobs:
        part["logprobs"] = orjson.loads(answer.logprobs)
    return {
        "type": "message",
        "id": _id("msg", run),
        # Only the last item can have been cut off, and a call that was is not shown at all.
        "status": "incomplete" if answer.incomplete and not answer.calls else "completed",
        "role": "assistant",
        "content": [part],
    }


def _call(call: FunctionCall, identity: str) -> dict[str, Any]:
    named = {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    return {"type": "function_call", "id": identity, **named, "status": "completed"}


def _sent(message: Message, run: str, place: str) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield _result(message, _id("fco", run, place))
        return
    if message.reasoning is not None:
        yield _thoughts(message.reasoning, _id("rs", run, place))
    if message.content or message.parts or not (message.reasoning or message.tool_calls):
        content = _spoken(message) if message.role == "assistant" else _heard(message)
        named = {"type": "message", "id": _id("msg", run, place), "status": "completed"}
        yield {**named, "role": message.role, "content": content}
    for n, call in enumerate(message.tool_calls):
        yield _call(call, _id("fc", run, f"{place}_{n}"))


def _result(message: Message, identity: str) -> dict[str, Any]:
    output = _heard(message) if message.parts else message.content
    named = {"type": "function_call_output", "id": identity, "call_id": message.tool_call_id or ""}
    return {**named, "output": output, "status": "completed"}


def _thoughts(reasoning: ReasoningItem, identity: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text} for text in reasoning.summary]
    item: dict[str, Any] = {"type": "reasoning", "id": identity, "summary": summary}
    secret = reasoning.encrypted_content
    return item if secret is None else item | {"encrypted_content": secret}


def _spoken(message: Message) -> list[dict[str, Any]]:
    return [{"type": "output_text", "text": message.content, "annotations": []}]


def _heard(message: Message) -> list[dict[str, Any]]:
    parts: Sequence[Part] = message.parts
    if not parts:
        return [{"type": "input_text", "text": message.content}]
    return [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    shown = part.model_dump(exclude_none=True)
    return {"detail": "auto", **shown} if isinstance(part, ImagePart) else shown
