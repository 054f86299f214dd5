"""A chat completion in chunks. Nothing may be sent before the answer was accepted, so all of them come together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from agent.ports import RunView
from api.chat.completion import cited, failed, finish_reason, head, logprobs, said, tool_calls, usage
from api.errors import ApiError
from api.projection import project
from api.streaming.frames import DONE
from api.streaming.pieces import pieces


def chunked(view: RunView, *, include_usage: bool) -> bytes:
    """All frames of a run that has ended, `[DONE]` among them. Raises `ApiError` if it ended without an answer."""
    response = project(view)
    if failure := failed(response):
        raise failure
    begun = head(response, "chat.completion.chunk") | {"service_tier": response["service_tier"]}
    nothing_yet = {"usage": None} if include_usage else {}
    frames = [_frame({**begun, "choices": [choice], **nothing_yet}) for choice in _choices(response)]
    if include_usage:
        frames.append(_frame({**begun, "choices": [], "usage": usage(response)}))
    return b"".join([*frames, DONE])


def broken_off(error: ApiError) -> bytes:
    """The end of a stream that has begun and cannot be told; OpenAI's client raises `APIError` at it."""
    return _frame(error.body()) + DONE


def _choices(response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    part = said(response)
    yield _delta({"role": "assistant", "content": "" if part else None, "refusal": None})
    for place, text in enumerate(pieces(part.get("text", ""))):
        # Tokens and pieces have different bounds; whoever puts the deltas together has all of both in the end.
        yield _delta({"content": text}, logprobs(part) if place == 0 else None)
    if notes := cited(part):
        yield _delta({"annotations": notes})
    for place, call in enumerate(tool_calls(response)):
        function = call["function"]
        yield _called(place, {**call, "function": {**function, "arguments": ""}})
        for text in pieces(function["arguments"]):
            yield _called(place, {"function": {"arguments": text}})
    yield _delta({}) | {"finish_reason": finish_reason(response)}


def _called(place: int, call: Mapping[str, Any]) -> dict[str, Any]:
    return _delta({"tool_calls": [{"index": place, **call}]})


def _delta(delta: Mapping[str, Any], probabilities: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": probabilities, "finish_reason": None}


def _frame(value: Mapping[str, Any]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(value)
