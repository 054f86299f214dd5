"""What the fake model makes of a request: who asks, for which prompt, the how-manieth time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from agent.testing.fake_model.wire import Request

RUN_HEADER = "x-cuelight-run"
PROMPT_HEADER = "x-cuelight-prompt"
REQUEST_HEADER = "x-cuelight-request"

_TEMPLATE = re.compile(r"\{\{\s*(question|n)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Call:
    """One chat-completions call. `n` counts all calls, `attempt` those of this prompt in this run; both from 1.

    `body` is None if it was no JSON object; `problem` says what is wrong with a body that cannot be answered.
    """

    n: int
    run: str | None
    prompt: str | None
    """`name@version+hash` as the caller sent it."""
    attempt: int
    body: dict[str, Any] | None
    problem: str | None = None
    authorization: str = ""
    request: str | None = None
    """The hash under which the question is on record."""

    @property
    def model(self) -> str:
        return str((self.body or {}).get("model", ""))

    @property
    def stream(self) -> bool:
        return bool((self.body or {}).get("stream"))

    @property
    def include_usage(self) -> bool:
        options = (self.body or {}).get("stream_options")
        return isinstance(options, dict) and bool(options.get("include_usage"))

    @property
    def top_logprobs(self) -> int | None:
        """How many likely tokens are wanted at each place; None where no probabilities are."""
        body = self.body or {}
        return int(body.get("top_logprobs") or 0) if body.get("logprobs") is True else None

    @property
    def response_format(self) -> str:
        """`text`, `json_object`, `json_schema`, or `json_schema_strict` if the caller wants it enforced."""
        wanted = (self.body or {}).get("response_format")
        if not isinstance(wanted, dict):
            return "text"
        schema = wanted.get("json_schema")
        strict = isinstance(schema, dict) and schema.get("strict") is True
        return str(wanted.get("type")) + ("_strict" if strict else "")

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for message in (self.body or {}).get("messages", ()) if isinstance(message, dict)]

    @property
    def question(self) -> str:
        """The text of the last user message, or nothing."""
        asked = [text_of(message) for message in self.messages if message.get("role") == "user"]
        return asked[-1] if asked else ""

    def fill(self, value: Any) -> Any:
        """`value` with `{{question}}` and `{{n}}` filled in, in every string of it, once."""
        match value:
            case str():
                known = {"question": self.question, "n": str(self.n)}
                return _TEMPLATE.sub(lambda found: known[found[1]], value) if "{{" in value else value
            case dict():
                return {key: self.fill(inner) for key, inner in value.items()}
            case list():
                return [self.fill(inner) for inner in value]
        return value


def text_of(message: dict[str, Any]) -> str:
    """A message's text; of a list of content parts, those that are text."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def read_body(request: Request) -> tuple[dict[str, Any] | None, str | None]:
    """The body of a request as a JSON object, and what is wrong with it, if anything."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        return None, f"We could not parse the JSON body of your request: {error}"
    if not isinstance(body, dict):
        return None, "The body of your request is not a JSON object."
    if not isinstance(body.get("model"), str):
        return body, "you must provide a model parameter"
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        return body, "Missing required parameter: 'messages'."
    return body, None


def prompt_name(prompt: str | None) -> str | None:
    """`answer` of `answer@1.2.0+abc`."""
    return prompt.partition("@")[0] if prompt else None
