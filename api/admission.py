"""From a body to a `Request`: what is supported is checked, what is not is refused by name. Nothing is ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.request import Message, Request
from api.body import join
from api.door import AgentCard, Door
from api.errors import ApiError, invalid, not_found, shown, unknown, unsupported
from api.turns import read_turns

RESERVED = "cuelight."
"""Metadata keys that begin so are ours; a response carries them beside the client's own."""

_FORMAT = {"format": {"type": "text"}}
IDLE: Mapping[str, tuple[Any, ...]] = {
    "access_programs": (),
    "background": (False,),
    "background_options": (),
    "context_management": ([],),
    "conversation": (),
    "frequency_penalty": (0,),
    "image": (),
    "max_tool_calls": (),
    "moderation": (),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0,),
    "previous_response_id": (),
    "prompt": (),
    "prompt_cache_key": (),
    "prompt_cache_options": (),
    "prompt_cache_retention": (),
    "reasoning": ({},),
    "safety_identifier": (),
    "service_tier": ("auto", "default"),
    "stream": (False,),
    "stream_options": (),
    "text": ({}, _FORMAT),
    "tool_choice": ("auto",),
    "tools": ([],),
    "top_logprobs": (0,),
    "top_p": (1,),
    "truncation": ("disabled",),
    "user": (),
}
"""Fields of the Responses API that are not supported yet, with the values that ask for nothing; null always does."""

_Key = Annotated[str, StringConstraints(max_length=64)]
_Value = Annotated[str, StringConstraints(max_length=512)]


class Options(BaseModel):
    """The supported fields beside `input`, with the limits of the specification."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")
    model: str | None = None
    instructions: str | None = None
    metadata: Annotated[dict[_Key, _Value], Field(max_length=16)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, Field(ge=16)] | None = None
    store: bool | None = None
    include: list[Literal["file_citation"]] | None = None


_SUPPORTED = frozenset({"input", *Options.model_fields})


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may come in, and the agent it is for."""

    card: AgentCard
    request: Request


def admit(body: Any, door: Door) -> Admitted:
    """What the body of `POST /v1/responses` asks for.

    Raises `ApiError`: 400 naming the field that is wrong or not supported, 404 if there is no such agent.
    """
    if not isinstance(body, dict):
        raise invalid(None, "The body must be a JSON object")
    _refuse_others(body)
    options = _options(body)
    card = _agent(options.model, door)
    turns = _conversation(body)
    _limit_chars(turns, options.instructions, door.settings.max_input_chars)
    return Admitted(card, _request(options, turns, card, door.base_url))


def _refuse_others(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name in _SUPPORTED:
            continue
        if name not in IDLE:
            raise unknown(name)
        if not _asks_nothing(value, IDLE[name]):
            raise unsupported(name, _hint(name))


def _asks_nothing(value: Any, idle: Iterable[Any]) -> bool:
    bare = _bare(value)
    # True == 1 in Python, and it is not the same in JSON.
    return value is None or any(bare == one and isinstance(bare, bool) is isinstance(one, bool) for one in idle)


def _bare(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _bare(inner) for key, inner in value.items() if inner is not None}


def _hint(name: str) -> str:
    return f"{name!r} with anything but its default" if IDLE[name] else repr(name)


def _options(body: Mapping[str, Any]) -> Options:
    try:
        options = Options.model_validate(body)
    except ValidationError as error:
        raise _by_field(error) from None
    for key in options.metadata or ():
        if key.startswith(RESERVED):
            raise invalid(join("metadata", key), f"keys that begin with {RESERVED!r} are the service's own")
    return options


def _by_field(error: ValidationError) -> ApiError:
    first = error.errors(include_url=False)[0]
    path = ""
    for part in first["loc"]:
        path = path if part == "[key]" else join(path, part)
    if first["type"] == "literal_error":
        return unsupported(path, repr(shown(str(first["input"]))))
    return invalid(path, first["msg"].replace("Input should", "should"))


def _agent(name: str | None, door: Door) -> AgentCard:
    wanted = door.default_agent if name is None else name
    if wanted in door.agents:
        return door.agents[wanted]
    message = f"There is no model {shown(wanted)!r}; this service has: {', '.join(door.agents)}"
    raise not_found(message, code="model_not_found", param="model")


def _conversation(body: Mapping[str, Any]) -> list[Message]:
    if body.get("input") is None:
        raise invalid("input", "is required")
    turns = read_turns(body["input"])
    said = [(place, turn) for place, turn in enumerate(turns) if turn.role != "system"]
    if not said or all(turn.role == "assistant" for _, turn in said):
        raise invalid("input", "must hold a message of the user")
    place, last = said[-1]
    if last.role != "user":
        raise invalid(join(join("input", place), "role"), "the last turn must be the user's")
    if not last.content.strip():
        raise invalid("input", "the user's last message must hold text")
    return turns


def _limit_chars(turns: Iterable[Message], instructions: str | None, most: int) -> None:
    chars = sum(len(turn.content) for turn in turns) + len(instructions or "")
    if chars > most:
        raise invalid("input", f"input and instructions have {chars} characters; no more than {most} are taken")


def _request(options: Options, turns: Iterable[Message], card: AgentCard, base_url: str) -> Request:
    turns = list(turns)
    told = [options.instructions or "", *(turn.content for turn in turns if turn.role == "system")]
    wanted = options.max_output_tokens
    return Request(
        messages=tuple(turn for turn in turns if turn.role != "system"),
        instructions="\n\n".join(text for text in told if text) or None,
        temperature=options.temperature,
        max_output_tokens=None if wanted is None else min(wanted, card.agent.budget.max_output_tokens),
        metadata=options.metadata or {},
        include=tuple(options.include or ()),
        store=options.store is not False,
        caller_instructions=options.instructions,
        base_url=base_url.rstrip("/"),
    )
