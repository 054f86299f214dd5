"""A status of 200, and a body that is no answer, or not all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from agent.testing.fake_model.call import Call
from agent.testing.fake_model.completion import (
    DONE,
    Completion,
    dumps,
    error_payload,
    json_reply,
    sse,
    stream_reply,
)
from agent.testing.fake_model.faults.base import FaultBase
from agent.testing.fake_model.wire import Reply

PAGE = b"<!doctype html><html><head><title>Gateway</title></head><body><h1>It works!</h1></body></html>\n"


class CutJson(FaultBase):
    """The body ends in the middle.

    With an `honest` content-length that is all there is to see; with a `full` one the connection closes before the
    promised bytes came.
    """

    kind: Literal["cut_json"]
    content_length: Literal["honest", "full"] = "honest"

    def reply(self, completion: Completion, /) -> Reply:
        whole = b"".join(completion.reply().parts)
        kept = whole[: len(whole) // 2]
        reply = replace(completion.reply(), parts=(kept,), chunked=False)
        if self.content_length == "honest":
            return reply
        return replace(reply, missing_bytes=len(whole) - len(kept), ending="cut")


class Html(FaultBase):
    """A page from something that stands between us and the model, after the model had done its work."""

    kind: Literal["html"]

    def reply(self, completion: Completion, /) -> Reply:
        return Reply(200, {"content-type": "text/html; charset=utf-8"}, (PAGE,))


class ErrorIn200(FaultBase):
    """An error body under a status that says all is well."""

    kind: Literal["error_in_200"]
    message: str = "Internal server error"

    @property
    def billed(self) -> bool:
        return False

    def reply(self, completion: Completion, /) -> Reply:
        return _payload(completion, error_payload(self.message, "server_error"))


class WrongTypes(FaultBase):
    """`choices` is a string."""

    kind: Literal["wrong_types"]

    def reply(self, completion: Completion, /) -> Reply:
        return _payload(completion, completion.payload() | {"choices": "nope"})


class EmptyChoices(FaultBase):
    """`choices` is an empty list."""

    kind: Literal["empty_choices"]

    def reply(self, completion: Completion, /) -> Reply:
        return _payload(completion, completion.payload() | {"choices": []})


class StreamUnfinished(FaultBase):
    """A stream that stops politely, but never says why: no finish reason. Whole answers are not concerned."""

    kind: Literal["stream_unfinished"]
    done: bool = True
    """Whether `[DONE]` comes at the end."""

    def applies(self, call: Call, /) -> bool:
        return call.stream

    def reply(self, completion: Completion, /) -> Reply:
        open_ended = [chunk for chunk in completion.chunks() if chunk["choices"] and not _finishes(chunk)]
        return stream_reply([*map(sse, open_ended), *([DONE] if self.done else [])])


class StreamCut(FaultBase):
    """The connection closes after `after_events` events of a stream. Whole answers are not concerned."""

    kind: Literal["stream_cut"]
    after_events: int = Field(2, ge=0)

    def applies(self, call: Call, /) -> bool:
        return call.stream

    def reply(self, completion: Completion, /) -> Reply:
        reply = completion.reply()
        return replace(reply, parts=reply.parts[: self.after_events], ending="cut")


class Slow(FaultBase):
    """The answer drips: `chunk_ms` between the events of a stream, or between every `chunk_bytes` of a whole body."""

    kind: Literal["slow"]
    chunk_ms: int = Field(50, ge=1)
    chunk_bytes: int = Field(64, ge=1)

    def reply(self, completion: Completion, /) -> Reply:
        reply = replace(completion.reply(), pause_s=self.chunk_ms / 1000)
        if completion.stream:
            return reply
        body = dumps(completion.payload())
        drops = tuple(body[start : start + self.chunk_bytes] for start in range(0, len(body), self.chunk_bytes))
        return replace(reply, parts=drops)


def _finishes(chunk: dict[str, Any]) -> bool:
    return chunk["choices"][0]["finish_reason"] is not None


def _payload(completion: Completion, payload: dict[str, Any]) -> Reply:
    if not completion.stream:
        return json_reply(payload)
    if "object" in payload:
        payload = payload | {"object": "chat.completion.chunk"}
    return stream_reply([sse(payload), DONE])
