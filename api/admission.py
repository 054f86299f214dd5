"""From a body to a `Request`: what is supported is checked, what is not is refused by name. Nothing is ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.items import Reasoning
from agent.prompting.conversation import chars
from agent.request import Message, Request, StreamOptions
from api.access import Caller
from api.collections import check_choice
from api.door import AgentCard, Door
from api.errors import invalid
from api.fields.conversation import check_conversation
from api.fields.fitting import check_fit
from api.fields.idle import refuse_others
from api.fields.options import Options, read_options
from api.fields.search import read_search
from api.fields.text import read_text
from api.fields.tools import read_choice, read_tools
from api.offers import Offer, choose
from api.streaming.telling import version_for
from api.turns import read_turns

_SUPPORTED = frozenset({"input", "tools", "tool_choice", "text", *Options.model_fields})


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may come in, and the agent it is for."""

    card: AgentCard
    request: Request


def admit(body: Any, door: Door, caller: Caller) -> Admitted:
    """What the body of `POST /v1/responses` asks for.

    Raises `ApiError`: 400 naming the field that is wrong or not supported, 404 if the caller has no such agent.
    """
    if not isinstance(body, dict):
        raise invalid(None, "The body must be a JSON object")
    refuse_others(body, _SUPPORTED)
    options = read_options(body)
    offer = choose(options.model, door, caller.rules)
    turns = _turns(body)
    _limit_chars(turns, options.instructions, door.settings.max_input_chars)
    request = _request(body, options, turns, offer, door.base_url)
    check_fit(request, offer, door, caller.rules)
    check_choice(request, offer)
    return Admitted(offer.card, request)


def _turns(body: Mapping[str, Any]) -> list[Message]:
    if body.get("input") is None:
        raise invalid("input", "is required")
    turns = read_turns(body["input"])
    check_conversation(turns, continued=body.get("previous_response_id") is not None)
    return turns


def _limit_chars(turns: Sequence[Message], instructions: str | None, most: int) -> None:
    found = chars(turns) + len(instructions or "")
    if found > most:
        raise invalid("input", f"input and instructions have {found} characters; no more than {most} are taken")


def _request(
    body: Mapping[str, Any], options: Options, turns: Sequence[Message], offer: Offer, base_url: str
) -> Request:
    told = [options.instructions or "", *(turn.content for turn in turns if turn.role in ("system", "developer"))]
    wanted, tools = options.max_output_tokens, read_tools(body.get("tools"))
    return Request(
        messages=tuple(turns),
        instructions="\n\n".join(text for text in told if text) or None,
        max_output_tokens=None if wanted is None else min(wanted, offer.card.agent.budget.max_output_tokens),
        metadata=options.metadata or {},
        include=tuple(options.include or ()),
        store=options.store is not False,
        caller_instructions=options.instructions,
        base_url=base_url.rstrip("/"),
        model=offer.name,
        models=offer.models,
        signed_links=True,
        tools=tools,
        tool_choice=read_choice(body.get("tool_choice"), tools),
        parallel_tool_calls=options.parallel_tool_calls is not False,
        text=read_text(body.get("text")),
        truncation=options.truncation or "disabled",
        reasoning=None if options.reasoning == Reasoning() else options.reasoning,
        background=options.background is True,
        stream=options.stream is True,
        file_search=read_search(body.get("tools")),
        stream_options=options.stream_options or StreamOptions(),
        stream_version=version_for(options.include or ()),
        **{name: getattr(options, name) for name in _AS_SENT},
    )


_AS_SENT = (
    "previous_response_id",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "max_tool_calls",
    "service_tier",
    "prompt_cache_key",
    "safety_identifier",
    "user",
)
"""Options that stand on the request as they were sent."""
