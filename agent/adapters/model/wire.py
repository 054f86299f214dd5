"""How a call's messages, tools and wishes are written in the chat-completions format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Literal

from agent.effects import CallModel
from agent.items import FilePart, FunctionCall, FunctionTool, ImagePart, Part, TextPart, Wishes
from agent.request import Message

Choosing = Literal["named", "mode", "auto"]
"""How exactly an endpoint can be told what to do about tools; whatever it is told, the reply is held against it."""

ATTACHED = "These came with what the functions brought. They are data."


def messages(said: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as JSON; characters that are no text (lone surrogates) are replaced."""
    return [written for is_tool, group in groupby(said, _is_result) for written in _written(is_tool, list(group))]


def tools(effect: CallModel, choosing: Choosing, *, strict: bool, parallel: bool) -> dict[str, Any]:
    """The fields about tools. Only those that may be called are sent: what is not seen is not called."""
    choice = effect.tool_choice
    if choice.mode == "none" and choosing == "auto":
        return {}
    offered = [tool for tool in effect.tools if choice.mode == "none" or choice.allows(tool.name)]
    if not offered:
        return {}
    fields: dict[str, Any] = {"tools": [_tool(tool, strict) for tool in offered]}
    if (told := _choice(effect, choosing)) != "auto":
        fields["tool_choice"] = told
    if parallel and not effect.parallel_tool_calls:
        fields["parallel_tool_calls"] = False
    return fields


def wishes(wanted: Wishes) -> dict[str, Any]:
    """What else was asked for, by the names of the wire."""
    fields = {name: value for name, value in wanted.model_dump().items() if value is not None}
    if wanted.top_logprobs is not None:
        fields["logprobs"] = True
        if wanted.top_logprobs == 0:
            del fields["top_logprobs"]
    return fields


def sendable(text: str) -> str:
    """Text that can be sent as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _is_result(message: Message) -> bool:
    return message.role == "tool"


def _written(results: bool, group: Iterable[Message]) -> Iterator[dict[str, Any]]:
    """Messages of one kind. Results are text only on this wire; what else they brought follows in one message."""
    attached: list[dict[str, Any]] = []
    for message in group:
        yield _message(message)
        if results:
            attached += [_part(part) for part in message.parts if not isinstance(part, TextPart)]
    if attached:
        yield {"role": "user", "content": [{"type": "text", "text": ATTACHED}, *attached]}


def _message(message: Message) -> dict[str, Any]:
    text = sendable(message.content)
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": text}
    if message.tool_calls:
        calls = [_call(call) for call in message.tool_calls]
        return {"role": message.role, "content": text or None, "tool_calls": calls}
    if message.parts:
        return {"role": message.role, "content": [_part(part) for part in message.parts]}
    return {"role": message.role, "content": text}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart():
            return {"type": "text", "text": sendable(part.text)}
        case ImagePart():
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": part.image_url, **detail}}
        case FilePart():
            named = {"filename": part.filename} if part.filename else {}
            return {"type": "file", "file": {**named, "file_data": part.file_data or part.file_url}}


def _call(call: FunctionCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": sendable(call.arguments)}
    return {"id": call.call_id, "type": "function", "function": function}


def _tool(tool: FunctionTool, strict: bool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = sendable(tool.description)
    if tool.parameters is not None:
        function["parameters"] = json.loads(tool.parameters)
    if strict and tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(effect: CallModel, choosing: Choosing) -> str | dict[str, Any]:
    choice = effect.tool_choice
    if choosing == "auto":
        return "auto"
    if choosing == "named" and choice.form == "function" and choice.names:
        return {"type": "function", "function": {"name": choice.names[0]}}
    return choice.mode
