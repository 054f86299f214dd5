"""From a run as the ledger holds it to the chat completion that a client sees. Pure, as `api.projection` is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.ports import RunView
from api.errors import NEVER_RETRY, ApiError
from api.projection import project

_STATUS = {"invalid_prompt": 400, "rate_limit_exceeded": 429}
"""By the code of a response's error; all others are failures of the service or of what it asks."""


def completed(view: RunView) -> dict[str, Any]:
    """The chat completion of a run that has ended. Raises `ApiError` if it ended without an answer."""
    response = project(view)
    if failure := failed(response):
        raise failure
    return {
        **head(response, "chat.completion"),
        "choices": [_choice(response)],
        "usage": usage(response),
        "service_tier": response["service_tier"],
        "metadata": response["metadata"],
    }


def head(response: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What a completion and each of its chunks begin with."""
    identity = f"chatcmpl-{response['id'].removeprefix('resp_')}"
    return {"id": identity, "object": kind, "created": response["created_at"], "model": response["model"]}


def failed(response: Mapping[str, Any]) -> ApiError | None:
    """The error that tells how a run ended without an answer; None if there is one.

    Its code is the class of the failure. The run was tried as often as is any use: nobody has to send it again.
    """
    if response["status"] == "cancelled":
        return ApiError(409, f"Response {response['id']} was cancelled", code="response_cancelled")
    error = response["error"]
    if error is None:
        return None
    code = response["metadata"]["cuelight.error_code"]
    return ApiError(_STATUS.get(error["code"], 500), error["message"], code=code, headers=NEVER_RETRY)


def said(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message of an answer: its text and what belongs to it; empty if there is none."""
    messages = [item for item in response["output"] if item["type"] == "message"]
    return messages[0]["content"][0] if messages else {}


def cited(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Citations, as chats have them."""
    return [
        {"type": note["type"], note["type"]: {key: value for key, value in note.items() if key != "type"}}
        for note in part.get("annotations", ())
    ]


def tool_calls(response: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The calls of functions in an answer."""
    return [
        {
            "id": item["call_id"],
            "type": "function",
            "function": {"name": item["name"], "arguments": item["arguments"]},
        }
        for item in response["output"]
        if item["type"] == "function_call"
    ]


def finish_reason(response: Mapping[str, Any]) -> str:
    """Why there is no more of the answer."""
    if response["status"] == "incomplete":
        return "length"
    return "tool_calls" if tool_calls(response) else "stop"


def logprobs(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """The probabilities of the answer's tokens, where they were asked for and told."""
    return {"content": part["logprobs"], "refusal": None} if "logprobs" in part else None


def usage(response: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens of the whole run, under the names of chats."""
    used = response["usage"]
    return {
        "prompt_tokens": used["input_tokens"],
        "completion_tokens": used["output_tokens"],
        "total_tokens": used["total_tokens"],
        "prompt_tokens_details": {"cached_tokens": used["input_tokens_details"]["cached_tokens"]},
        "completion_tokens_details": used["output_tokens_details"],
    }


def _choice(response: Mapping[str, Any]) -> dict[str, Any]:
    part, calls = said(response), tool_calls(response)
    message: dict[str, Any] = {"role": "assistant", "content": part.get("text"), "refusal": None}
    message |= {"annotations": cited(part)} | ({"tool_calls": calls} if calls else {})
    reason = finish_reason(response)
    return {"index": 0, "message": message, "logprobs": logprobs(part), "finish_reason": reason}
