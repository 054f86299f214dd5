"""One place that turns everything an endpoint can send back into a typed answer or a typed error.

Nothing here touches the network: a `Reply` is a value, and the same reply is always read the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from agent.adapters.model.calls import read_calls, read_logprobs, read_reasoning
from agent.adapters.model.complaint import complaint, excerpt, tells
from agent.adapters.model.prices import cost
from agent.adapters.model.retry_after import retry_after_s
from agent.effects import CallModel, ModelAnswer
from agent.envelope import scrub
from agent.errors import AgentError, Overloaded, Permanent, Transient
from agent.events import Usage
from agent.items import FinishReason, FunctionCall
from agent.outcome import TOO_LONG
from agent.settings import ModelSettings

MAX_BODY_BYTES = 8 * 1024 * 1024
DEFAULT_WAIT_S = 1.0
"""How long to wait after a 429 that does not say."""
NOT_IMPLEMENTED = 501
"""A failure of a server that comes again: an endpoint without such calls, a script without a line for this one."""
_MAX_TOKENS = 2**31 - 1
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}

_TOO_LONG = (
    "context_length",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input is too long",
    "token count exceeds",
)
"""How endpoints say that a call is longer than the model can take."""

# A reason that is not listed (`error`, `abort`, ...) may mean half a text, so it is no answer; `tool_calls` is one only
# where functions were offered.
_REASONS: Mapping[str | None, FinishReason] = {
    None: "stop",
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "refusal": "refusal",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over HTTP. Header names are in lower case; a body above `MAX_BODY_BYTES` was cut just above it.

    `at` is when it came, aware.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


class _Unusable(ValueError):
    """A reply with status 200 that holds no answer; the message goes on from "answered 200 with"."""

    def __init__(self, message: str, kind: str = "malformed") -> None:
        super().__init__(message)
        self.kind = kind


def classify(
    reply: Reply, *, endpoint: str, model: ModelSettings, secret: str = "", asked: CallModel | None = None
) -> ModelAnswer:
    """The answer that stands in `reply`. `secret` is cut out of every message, in case the endpoint echoes it.

    A text that was cut off, refused or filtered is an answer with that `finish_reason`; refused and filtered ones
    have no text. Where the usage cannot be read the cost is None, whatever the price. Calls of functions and the
    probabilities of tokens are read where `asked` wanted them.

    Raises:
        Overloaded: the endpoint named a time to wait, or answered 429.
        Transient: `server`, `malformed` or `empty`; with `usage` and `cost_usd` if the reply told them.
        Permanent: `quota`, `unauthorized`, `context_length_exceeded` or `rejected`, which also stands for a reply that
            tells the key.
    """
    if not reply.succeeded:
        raise _refusal(reply, endpoint, secret)
    usage = None
    try:
        data = _object(reply)
        usage = _usage(data.get("usage"))
        said = _said(data, secret, tools=bool(asked and asked.tools))
    except _Unusable as unusable:
        # Whoever made it tell the key would have it told again.
        failure = Permanent if unusable.kind == "rejected" else Transient
        error = failure(f"{endpoint} answered {reply.status} with {unusable}", kind=unusable.kind)
        error.usage, error.cost_usd = usage, _bill(usage, model)
        raise error from None
    wanted = asked is not None and asked.wishes.top_logprobs is not None
    return ModelAnswer(
        text=scrub(said.text),
        finish_reason=said.reason,
        model=_name(data.get("model")) or model.name,
        endpoint=endpoint,
        usage=usage or Usage(),
        cost_usd=_bill(usage, model),
        calls=said.calls,
        reasoning=said.reasoning,
        logprobs=read_logprobs(said.choice, said.text) if wanted else "",
    )


def _bill(usage: Usage | None, model: ModelSettings) -> Decimal | None:
    return None if usage is None else cost(usage, model)


def _refusal(reply: Reply, endpoint: str, secret: str) -> AgentError:
    said = complaint(reply.body)
    words = ": ".join(excerpt(part, secret) for part in (said.code or said.type, said.message) if part)
    message = f"{endpoint} answered {reply.status} {words[:200]}".rstrip()
    wait_s = retry_after_s(reply.headers, reply.at)
    if reply.status == 402 or _QUOTA & {said.code, said.type}:
        return Permanent(message, kind="quota")
    if reply.status == 429:
        return Overloaded(message, retry_after_s=DEFAULT_WAIT_S if wait_s is None else wait_s)
    if reply.status in (408, 409) or (reply.status >= 500 and reply.status != NOT_IMPLEMENTED):
        if wait_s is None:
            return Transient(message, kind="server")
        return Overloaded(message, retry_after_s=wait_s, kind="server")
    if reply.status in (400, 413, 422) and said.mentions(*_TOO_LONG):
        return _too_long(message)
    return Permanent(message, kind="unauthorized" if reply.status in (401, 403) else "rejected")


def _too_long(message: str) -> Permanent:
    """Nobody bills a call that was not made."""
    error = Permanent(message, kind=TOO_LONG)
    error.usage, error.cost_usd = Usage(), Decimal(0)
    return error


def _object(reply: Reply) -> dict[str, Any]:
    """The body as a JSON object. What stands in a body that is none is never quoted: it may be half an answer."""
    if len(reply.body) > MAX_BODY_BYTES:
        raise _Unusable(f"more than {MAX_BODY_BYTES} bytes")
    try:
        data = json.loads(reply.body)
    except (ValueError, RecursionError):
        kind = excerpt(reply.headers.get("content-type", "no content type"), limit=60)
        raise _Unusable(f"{len(reply.body)} bytes that are no JSON ({kind})") from None
    if not isinstance(data, dict):
        raise _Unusable("JSON that is no object")
    return data


class _Said(NamedTuple):
    """A choice in its parts."""

    text: str
    reason: FinishReason
    choice: dict[str, Any] = {}  # noqa: RUF012  # nobody writes to it
    calls: tuple[FunctionCall, ...] = ()
    reasoning: str = ""


def _said(data: dict[str, Any], secret: str, *, tools: bool) -> _Said:
    if data.get("error"):
        raise _Unusable(f"an error: {excerpt(complaint(json.dumps(data).encode()).message, secret)}")
    choice = _first(data.get("choices"))
    reason = _reason(choice.get("finish_reason"), secret, tools=tools)
    if reason in ("refusal", "content_filter"):
        return _Said("", reason)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _Unusable("a choice that has no message")
    if _refused(message):
        return _Said("", "refusal")
    text, calls = _text(message.get("content")), _calls(message) if tools else ()
    if reason == "tool_calls" and not calls:
        raise _Unusable("the finish_reason 'tool_calls' and no call")
    if not text.strip() and not calls and reason != "length":
        raise _Unusable("no text", kind="empty")
    # Some endpoints say `stop` after calls; a name for it is enough here.
    reason = "tool_calls" if calls and reason == "stop" else reason
    thoughts = read_reasoning(message)
    if tells(secret, text, thoughts, *(call.arguments for call in calls)):
        raise _Unusable("the key that it was asked with", kind="rejected")
    return _Said(text, reason, choice, calls, thoughts)


def _calls(message: dict[str, Any]) -> tuple[FunctionCall, ...]:
    try:
        return read_calls(message)
    except ValueError as error:
        raise _Unusable(str(error)) from None


def _first(choices: Any) -> dict[str, Any]:
    if not isinstance(choices, list):
        raise _Unusable("no list of choices")
    if not choices:
        raise _Unusable("an empty list of choices", kind="empty")
    if not isinstance(choices[0], dict):
        raise _Unusable("a choice that is no object")
    return choices[0]


def _reason(value: Any, secret: str, *, tools: bool) -> FinishReason:
    if tools and value == "tool_calls":
        return "tool_calls"
    if (value is None or isinstance(value, str)) and value in _REASONS:
        return _REASONS[value]
    raise _Unusable(f"the finish_reason {excerpt(str(value), secret, limit=40)!r}")


def _refused(message: dict[str, Any]) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return bool(message.get("refusal")) or any(isinstance(part, dict) and part.get("refusal") for part in parts)


def _text(content: Any) -> str:
    """The text of a message. Parts of other types (reasoning, for one) are left out."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise _Unusable("content that is no text")
    texts = [part.get("text") for part in content if part.get("type") in ("text", "output_text")]
    if not all(isinstance(text, str) for text in texts):
        raise _Unusable("a part of text that is no text")
    return "".join(str(text) for text in texts)


def _usage(value: Any) -> Usage | None:
    """Tokens as the endpoint counted them; None unless both sums are there."""
    if not isinstance(value, dict):
        return None
    read, written = _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))
    if read is None or written is None:
        return None
    cached = _detail(value.get("prompt_tokens_details"), "cached_tokens")
    reasoning = _detail(value.get("completion_tokens_details"), "reasoning_tokens")
    return Usage(
        input_tokens=read,
        cached_tokens=min(cached, read),
        output_tokens=written,
        reasoning_tokens=min(reasoning, written),
    )


def _detail(details: Any, name: str) -> int:
    return (_count(details.get(name)) if isinstance(details, dict) else None) or 0


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None


def _name(value: Any) -> str:
    return excerpt(value) if isinstance(value, str) else ""
