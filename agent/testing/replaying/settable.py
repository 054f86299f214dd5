"""What can be another in a run that is forked: parts of the agent, and of the request, by a dotted path, each typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import reduce
from types import NoneType
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from agent.checks.judging import name_of
from agent.definition import Agent
from agent.errors import Misconfigured
from agent.request import Request
from agent.steps import Budget, Retrieval

OF_AGENTS = ("no_answer_text", "fallback")
OF_RETRIEVALS = ("collection", "limit", "neighbours", "where")
MOST = 10**9
WORDS: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    Decimal: "an amount",
    bool: "true or false",
    NoneType: "null",
}
OF_REQUESTS = ("instructions", "temperature", "top_p", "max_output_tokens", "max_tool_calls", "parallel_tool_calls")


@dataclass(frozen=True, slots=True)
class Setting:
    """`path=value` as somebody typed it."""

    path: str
    value: str

    @classmethod
    def of(cls, words: str) -> Setting:
        """Raises `Misconfigured` if it is no `path=value`."""
        path, equals, value = words.partition("=")
        if not equals or not path.strip():
            raise Misconfigured(f"{words!r} sets nothing: write path=value, such as budget.repairs=1")
        return cls(path.strip(), value)


Pair = tuple[Agent, Request]


def with_settings(agent: Agent, request: Request, settings: Sequence[Setting]) -> Pair:
    """Both with these settings. Raises `Misconfigured` for a path that there is not, and for a value that is none."""
    return reduce(_with, settings, (agent, request))


def types_of(agent: Agent) -> Mapping[str, Any]:
    """Every path that can be set, and what its value may be. A check that is false is left out."""
    budget, request = get_type_hints(Budget), get_type_hints(Request)
    told = {f"budget.{it.name}": budget[it.name] for it in fields(Budget)}
    if agent.retrieval is not None:
        told |= {f"retrieval.{name}": get_type_hints(Retrieval)[name] for name in OF_RETRIEVALS}
    told |= {name: get_type_hints(Agent)[name] for name in OF_AGENTS}
    told |= {f"checks.{name_of(check)}": bool for check in agent.checks}
    return told | {f"request.{name}": request[name] for name in OF_REQUESTS}


def _with(pair: Pair, setting: Setting) -> Pair:
    agent, request = pair
    types = types_of(agent)
    if setting.path not in types:
        listed = ", ".join(f"{path} ({_named(hint)})" for path, hint in types.items())
        raise Misconfigured(f"{setting.path!r} cannot be set; there is {listed}")
    value = _read(setting, types[setting.path])
    part, _, name = setting.path.rpartition(".")
    match part:
        case "request":
            return agent, request.model_copy(update={name: value})
        case "checks":
            kept = tuple(check for check in agent.checks if value or name_of(check) != name)
            return replace(agent, checks=kept), request
        case "":
            return replace(agent, **{name: value}), request
    return replace(agent, **{part: replace(getattr(agent, part), **{name: value})}), request


def _read(setting: Setting, hint: Any) -> Any:
    """The value as JSON; text need not be quoted. Raises `Misconfigured`."""
    adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))
    for read in (adapter.validate_json, adapter.validate_python):
        try:
            value = read(setting.value, strict=True)
        except ValidationError:
            continue
        if not isinstance(value, int | float | Decimal) or -MOST <= value <= MOST:
            return value
    raise Misconfigured(f"{setting.path} is {_named(hint)}, and {setting.value[:80]!r} is not")


def _named(hint: Any) -> str:
    """A type in words."""
    parts = get_args(hint) or (hint,)
    return " or ".join(WORDS[it] for it in parts) if all(it in WORDS for it in parts) else "JSON"
