"""What a reply says beside its text: calls of functions, thoughts, probabilities of its tokens. Read strictly."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson

from agent.envelope import scrub
from agent.items import FunctionCall

MOST_CALLS = 256
MOST_CALL_ID_CHARS = 64
MOST_REASONING_CHARS = 50_000


def read_calls(message: dict[str, Any]) -> tuple[FunctionCall, ...]:
    """The calls of a message, each with an id of its own. Raises `ValueError` saying what is wrong."""
    said = message.get("tool_calls")
    if said is None:
        return ()
    if not isinstance(said, list) or len(said) > MOST_CALLS:
        raise ValueError("tool_calls that are no list of moderate length")
    found: list[FunctionCall] = []
    for place, call in enumerate(said):
        found.append(_call(call, place, {earlier.call_id for earlier in found}))
    return tuple(found)


def read_reasoning(message: dict[str, Any]) -> str:
    """Thoughts that an endpoint tells beside the answer, cut at 50,000 characters; empty where it tells none."""
    said = message.get("reasoning_content") or message.get("reasoning")
    return scrub(said[:MOST_REASONING_CHARS]) if isinstance(said, str) else ""


def read_logprobs(choice: dict[str, Any], text: str) -> str:
    """Probabilities of the tokens as JSON; empty unless they are there for every token of exactly this text."""
    said = choice.get("logprobs")
    tokens = said.get("content") if isinstance(said, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return ""
    try:
        shown = [{**_token(each), "top_logprobs": [*map(_token, each.get("top_logprobs") or ())]} for each in tokens]
        written = b"".join(bytes(token["bytes"]) for token in shown)
    except (TypeError, ValueError, AttributeError, KeyError):
        return ""
    return orjson.dumps(shown).decode() if written == text.encode() else ""


def _call(value: Any, place: int, taken: set[str]) -> FunctionCall:
    if not isinstance(value, dict) or value.get("type", "function") != "function":
        raise ValueError("a call of something that is no function")
    function = value.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise ValueError("a call without the name of a function")
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = orjson.dumps(arguments).decode()
    if not isinstance(arguments, str | None):
        raise ValueError("a call whose arguments are no text")
    name, arguments = scrub(function["name"]), scrub(arguments or "").strip() or "{}"
    return FunctionCall(
        call_id=_call_id(value.get("id"), place, name, arguments, taken), name=name, arguments=arguments
    )


def _call_id(said: Any, place: int, name: str, arguments: str, taken: set[str]) -> str:
    """The endpoint's own id where a client can send it back; else one that follows from the call."""
    if isinstance(said, str) and 1 <= len(said) <= MOST_CALL_ID_CHARS and said.isprintable() and said not in taken:
        return said
    return f"call_{sha256(orjson.dumps([place, name, arguments])).hexdigest()[:24]}"


def _token(value: dict[str, Any]) -> dict[str, Any]:
    token, logprob = value["token"], value["logprob"]
    raw = value.get("bytes")
    written = list(bytes(raw)) if isinstance(raw, list) else list(token.encode())
    return {"token": scrub(str(token)), "logprob": max(float(logprob), -9999.0), "bytes": written}
