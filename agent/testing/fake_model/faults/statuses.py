"""Errors with an honest HTTP status. No vendor bills them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.testing.fake_model.call import Call, text_of
from agent.testing.fake_model.completion import Completion, error_payload, json_reply
from agent.testing.fake_model.faults.base import FaultBase
from agent.testing.fake_model.wire import Reply

ResponseFormat = Literal["json_schema_strict", "json_schema", "json_object"]

_REJECTIONS: dict[ResponseFormat | None, str] = {
    "json_schema_strict": "Invalid schema for response_format: In context=(), 'oneOf' is not permitted.",
    "json_schema": "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
    "json_object": "'response_format.type' must be 'json_schema' or 'text'",
    None: "Invalid request.",
}


class StatusFault(FaultBase):
    """An error that came instead of a generation."""

    @property
    def billed(self) -> bool:
        return False


class RateLimited(StatusFault):
    """429. The time to wait is in seconds, in milliseconds, or left out, as vendors do."""

    kind: Literal["rate_limited"]
    retry_after: float | None = Field(None, ge=0)
    retry_after_ms: int | None = Field(None, ge=0)

    def reply(self, completion: Completion, /) -> Reply:
        message = f"Rate limit reached for {completion.model} on requests per min (RPM): Limit 3, Used 3, Requested 1."
        headers = _retry_after(self.retry_after)
        if self.retry_after_ms is not None:
            headers["retry-after-ms"] = str(self.retry_after_ms)
        return json_reply(error_payload(message, "requests", "rate_limit_exceeded"), 429, headers)


class InsufficientQuota(StatusFault):
    """429 that no waiting will cure."""

    kind: Literal["insufficient_quota"]

    def reply(self, completion: Completion, /) -> Reply:
        message = "You exceeded your current quota, please check your plan and billing details."
        return json_reply(error_payload(message, "insufficient_quota", "insufficient_quota"), 429)


class ServerError(StatusFault):
    """The endpoint is broken or busy."""

    kind: Literal["server_error"]
    status: Literal[500, 502, 503, 504] = 500
    retry_after: float | None = Field(None, ge=0)

    def reply(self, completion: Completion, /) -> Reply:
        message = "The server had an error while processing your request. Sorry about that!"
        return json_reply(error_payload(message, "server_error"), self.status, _retry_after(self.retry_after))


class BadRequest(StatusFault):
    """400. With `when_response_format` only for calls that ask for that format; other calls are answered.

    `json_schema` rejects strict ones too; `json_schema_strict` rejects only those.
    """

    kind: Literal["bad_request"]
    when_response_format: ResponseFormat | None = None
    message: str | None = None

    def applies(self, call: Call, /) -> bool:
        asked = {call.response_format, call.response_format.removesuffix("_strict")}
        return self.when_response_format is None or self.when_response_format in asked

    def reply(self, completion: Completion, /) -> Reply:
        param = "response_format" if self.when_response_format else None
        message = self.message or _REJECTIONS[self.when_response_format]
        return json_reply(error_payload(message, "invalid_request_error", param=param), 400)


class ContextLength(StatusFault):
    """400 for calls whose messages have more than `chars` characters of text together; others are answered."""

    kind: Literal["context_length"]
    chars: int = Field(0, ge=0)

    def applies(self, call: Call, /) -> bool:
        return sum(len(text_of(message)) for message in call.messages) > self.chars

    def reply(self, completion: Completion, /) -> Reply:
        message = (
            f"This model's maximum context length is {self.chars} tokens. Please reduce the length of the messages."
        )
        said = error_payload(message, "invalid_request_error", "context_length_exceeded", param="messages")
        return json_reply(said, 400)


class Unauthorized(StatusFault):
    """401."""

    kind: Literal["unauthorized"]

    def reply(self, completion: Completion, /) -> Reply:
        message = "Incorrect API key provided. You can find your API key in your account settings."
        return json_reply(error_payload(message, "invalid_request_error", "invalid_api_key"), 401)


class NotFound(StatusFault):
    """404: no such model."""

    kind: Literal["not_found"]

    def reply(self, completion: Completion, /) -> Reply:
        message = f"The model `{completion.model}` does not exist or you do not have access to it."
        return json_reply(error_payload(message, "invalid_request_error", "model_not_found"), 404)


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"retry-after": f"{seconds:g}"}
