"""What was asked for, as a response shows it; the specification wants a value where nothing was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from agent.items import FunctionTool, TextOptions, ToolChoice
from agent.request import FileSearch, Request


def echo(request: Request) -> dict[str, Any]:
    """The fields of a response that say how it was asked for."""
    return {
        "tools": [*map(_tool, request.tools), *_search(request.file_search)],
        "tool_choice": tool_choice(request.tool_choice),
        "truncation": request.truncation,
        "parallel_tool_calls": request.parallel_tool_calls,
        "text": _text(request.text),
        "top_p": _or(request.top_p, 1.0),
        "presence_penalty": _or(request.presence_penalty, 0.0),
        "frequency_penalty": _or(request.frequency_penalty, 0.0),
        "top_logprobs": _or(request.top_logprobs, 0),
        "temperature": _or(request.temperature, 1.0),
        "reasoning": request.reasoning.model_dump() if request.reasoning else None,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "background": request.background,
        "service_tier": _tier(request.service_tier),
        "safety_identifier": request.safety_identifier,
        "prompt_cache_key": request.prompt_cache_key,
    }


def tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """The choice as the client wrote it."""
    if choice.form == "mode" or choice.names is None:
        return choice.mode
    named = [{"type": "function", "name": name} for name in choice.names]
    return named[0] if choice.form == "function" else {"type": "allowed_tools", "tools": named, "mode": choice.mode}


def _tool(tool: FunctionTool) -> dict[str, Any]:
    parameters = None if tool.parameters is None else orjson.loads(tool.parameters)
    named = {"type": "function", "name": tool.name, "description": tool.description}
    return {**named, "parameters": parameters, "strict": tool.strict}


def _search(search: FileSearch | None) -> Sequence[dict[str, Any]]:
    if search is None:
        return ()
    shown: dict[str, Any] = {"type": "file_search", "vector_store_ids": list(search.collections)}
    where = {} if search.where is None else {"filters": search.where.model_dump(mode="json")}
    return [shown | where | ({} if search.limit is None else {"max_num_results": search.limit})]


def _text(text: TextOptions) -> dict[str, Any]:
    form = text.format
    shown: dict[str, Any] = {"type": form.type}
    if form.type == "json_schema":
        # The specification's `null` for a schema is a known error of it; OpenAI and its clients have the real one.
        schema = None if form.json_schema is None else orjson.loads(form.json_schema)
        named = {"name": form.name, "description": form.description}
        shown |= {**named, "schema": schema, "strict": form.strict is True}
    return {"format": shown} | ({"verbosity": text.verbosity} if text.verbosity else {})


def _tier(wanted: str | None) -> str:
    # Which tier served it, no endpoint is asked; `auto` has no other meaning here than the usual one.
    return "default" if wanted in (None, "auto") else wanted or "default"


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value
