"""The body of a chat completion, as the body of a response that asks for the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from api.body import join
from api.chat.messages import Item, read_messages
from api.chat.tools import read_choice, read_format, read_tools
from api.errors import ApiError, invalid
from api.fields.idle import refuse_others

IDLE: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "function_call": (),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "prediction": (),
    "prompt_cache_options": (),
    "prompt_cache_retention": (),
    "seed": (),
    "stop": ([],),
    "web_search_options": (),
}
"""Fields of Chat Completions that are not supported, with the values that ask for nothing; null always does."""

_SAME = (
    "model",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "parallel_tool_calls",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "safety_identifier",
    "user",
    "stream",
)
_LIMITS = ("max_completion_tokens", "max_tokens")
_OTHERS = ("messages", "tools", "tool_choice", "response_format", "reasoning_effort", "verbosity", "logprobs")
_LEAST = 16
"""The fewest tokens that a response may be limited to; a chat completion may have fewer."""


class _StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """What a chat asks for. `body` is that of a response; `items` are its input, with where they came from."""

    body: Mapping[str, Any]
    items: Sequence[Item]
    most_tokens: int | None
    limited_by: str
    include_usage: bool

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True


def read_chat(body: Any) -> Chat:
    """Raises `ApiError` 400 by JSON path for what a response has no word for."""
    if not isinstance(body, dict):
        raise invalid(None, "The body must be a JSON object")
    refuse_others(body, (*_SAME, *_LIMITS, *_OTHERS, "stream_options"), IDLE)
    items, limited_by = read_messages(body.get("messages")), _limit(body)
    most = None if limited_by is None else body[limited_by]
    asked = {
        **{name: body[name] for name in _SAME if name in body},
        "input": [item.value for item in items],
        "store": False if body.get("store") is None else body["store"],
        "tools": read_tools(body.get("tools")),
        "tool_choice": read_choice(body.get("tool_choice")),
        "text": {"format": read_format(body.get("response_format")), "verbosity": body.get("verbosity")},
        "reasoning": {"effort": body["reasoning_effort"]} if body.get("reasoning_effort") is not None else None,
        "max_output_tokens": None if most is None else max(most, _LEAST),
        "include": ["message.output_text.logprobs"] if _logprobs(body) else [],
    }
    return Chat(asked, items, most, limited_by or "max_completion_tokens", _include_usage(body))


def _limit(body: Mapping[str, Any]) -> str | None:
    """The field that says how many tokens there may be."""
    given = [name for name in _LIMITS if body.get(name) is not None]
    for name in given:
        if not isinstance(body[name], int) or isinstance(body[name], bool) or body[name] < 1:
            raise invalid(name, "must be a whole number from 1")
    if len(given) == 2:
        raise invalid("max_tokens", "is the older name of max_completion_tokens: send one of them")
    return given[0] if given else None


def _logprobs(body: Mapping[str, Any]) -> bool:
    wanted = body.get("logprobs")
    if not isinstance(wanted, bool | None):
        raise invalid("logprobs", "must be true or false")
    if body.get("top_logprobs") is not None and not wanted:
        raise invalid("top_logprobs", "is for probabilities: send logprobs true with it")
    return wanted is True


def _include_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if body.get("stream") is not True:
        raise invalid("stream_options", "is for streams: send stream true with it")
    try:
        return _StreamOptions.model_validate(options).include_usage is True
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = "stream_options"
        for part in first["loc"]:
            path = join(path, part)
        raise invalid(path, first["msg"].replace("Input should", "should")) from None


def in_words_of_chat(error: ApiError, chat: Chat) -> ApiError:
    """A refusal of what `chat` was read into, naming the place in what was sent."""
    if error.param is None:
        return error
    param = _sent_at(error.param, chat)
    told = error.message.replace(error.param, param, 1)
    return ApiError(error.status, told, code=error.code, param=param, headers=error.headers)


def _sent_at(param: str, chat: Chat) -> str:
    head, _, rest = param.partition(".")
    name, place = head.partition("[")[::2]
    if name == "input":
        if not place:
            return "messages"
        item = chat.items[int(place.rstrip("]"))]
        return ".".join([item.path, *(_renamed(step, item.names) for step in rest.split(".") if step)])
    if name == "tools" and rest:
        return param if rest == "type" else f"{head}.function.{rest}"
    if param.startswith(_SCHEMA):
        return param.replace(_SCHEMA, "response_format.json_schema.")
    return {**_WORDS, "max_output_tokens": chat.limited_by}.get(param, param)


def _renamed(step: str, names: Mapping[str, str]) -> str:
    name, bracket, place = step.partition("[")
    return names.get(name, name) + bracket + place


_SCHEMA = "text.format."
_WORDS = {
    "text.format": "response_format",
    "text.verbosity": "verbosity",
    "reasoning.effort": "reasoning_effort",
    "include": "logprobs",
}
