"""A chat completion as the OpenAI wire format writes it, whole or as a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agent.testing.fake_model.wire import Reply

JSON_TYPE = "application/json"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts; cached ones are part of the input."""

    input: int
    output: int
    cached: int = 0

    def wire(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.input,
            "completion_tokens": self.output,
            "total_tokens": self.input + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        }


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished generation. What a fault changes about it, it changes before the bytes are made."""

    n: int
    created: int
    model: str
    content: str | None
    prompt_chars: int
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    refusal: str | None = None
    reasoning: str | None = None
    logprobs: int | None = None
    """How many likely tokens to tell at each place; None for no probabilities."""
    finish_reason: str = "stop"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    usage: bool = True
    """False for an endpoint that reports no usage."""
    stream: bool = False
    include_usage: bool = False

    @property
    def tokens(self) -> Tokens:
        """What a vendor would count: as scripted, else a token for every four characters."""
        written = len(self.content or "") + len(self.refusal or "") + sum(len(dumps(c)) for c in self.tool_calls)
        given, made = self.input_tokens, self.output_tokens
        return Tokens(
            _per_four(self.prompt_chars) if given is None else given,
            _per_four(written) if made is None else made,
            self.cached_tokens,
        )

    def payload(self) -> dict[str, Any]:
        """The body of a whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": self.content, "refusal": self.refusal}
        if self.tool_calls:
            message["tool_calls"] = list(self.tool_calls)
        if self.reasoning is not None:
            message["reasoning_content"] = self.reasoning
        logprobs = None if self.logprobs is None else probabilities(self.content or "", self.logprobs)
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": self.finish_reason}
        return self._named("chat.completion", [choice], self.tokens.wire() if self.usage else None)

    def chunks(self) -> list[dict[str, Any]]:
        """The answer as stream chunks: role, text in pieces, finish reason, and usage if it was asked for."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if self.content is None else ""}]
        deltas += [{"content": piece} for piece in pieces(self.content or "")]
        deltas += [{"refusal": piece} for piece in pieces(self.refusal or "")]
        deltas += [{"tool_calls": [{"index": i, **call}]} for i, call in enumerate(self.tool_calls)]
        found = [self._chunk(delta, None) for delta in deltas] + [self._chunk({}, self.finish_reason)]
        if self.include_usage and self.usage:
            found.append(self._named("chat.completion.chunk", [], self.tokens.wire()))
        return found

    def reply(self) -> Reply:
        """The answer as a well-behaved endpoint sends it."""
        return stream_reply([*map(sse, self.chunks()), DONE]) if self.stream else json_reply(self.payload())

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._named("chat.completion.chunk", [choice], None)

    def _named(self, kind: str, choices: list[Any], usage: dict[str, Any] | None) -> dict[str, Any]:
        named: dict[str, Any] = {
            "id": f"chatcmpl-fake{self.n}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        return named if usage is None else named | {"usage": usage}


def error_payload(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An OpenAI error body."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def json_reply(payload: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A whole JSON body."""
    return Reply(status, {"content-type": JSON_TYPE, **(headers or {})}, (dumps(payload),))


def stream_reply(events: list[bytes]) -> Reply:
    """Server-sent events, each in a chunk of its own."""
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    return Reply(200, headers, tuple(events), chunked=True)


def sse(payload: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + dumps(payload) + b"\n\n"


def dumps(value: Any) -> bytes:
    """Compact JSON; lone surrogates are escaped, as a broken model sends them."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def pieces(text: str) -> list[str]:
    """`text` in pieces of a few words; a long one in at most two hundred."""
    size = max(16, -(-len(text) // 200))
    return [text[start : start + size] for start in range(0, len(text), size)]


def probabilities(text: str, top: int) -> dict[str, Any]:
    """A made-up probability for every word, and as many of the likeliest as were asked for."""
    tokens = [{"token": word, "logprob": -0.5, "bytes": [*word.encode()]} for word in re.findall(r"\s*\S+|\s+", text)]
    return {"content": [{**token, "top_logprobs": [token] * top} for token in tokens], "refusal": None}


def _per_four(chars: int) -> int:
    return -(-chars // 4)
