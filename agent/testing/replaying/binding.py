"""The agent of a case, bound to the prompts that stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from agent.cases import Case
from agent.checks.json_schema import BadSchema, JsonSchema
from agent.definition import Agent, BoundAgent, load
from agent.effects import CallModel
from agent.errors import Misconfigured, Permanent
from agent.items import FunctionTool
from agent.prompting import Prompt, PromptBook
from agent.tools import McpTool, ToolContext
from agent.tools.mcp import Found

RECORDED = ("recorded",)
"""The models of a run that asked none."""


def bound_for(case: Case, agent: Agent | str | None = None) -> tuple[BoundAgent, PromptBook]:
    """The agent, as an object or as `module:attribute`; the one that the case names by default.

    Its prompts are those of the case; where it wants another one, that is taken from the prompts that are here. Raises
    `Misconfigured`.
    """
    found = agent_of(case, agent)
    prompts = [Prompt.from_sources(files, where=f"the case's prompt {name}") for name, files in case.sources.items()]
    if found.prompt in {prompt.name for prompt in prompts}:
        book = PromptBook.of(prompts)
    else:
        book = PromptBook.here()
        book.start_with(prompts)
    return bound_as_then(found, case, book), book


def agent_of(case: Case, agent: Agent | str | None = None) -> Agent:
    """The agent, as an object or as `module:attribute`; by default the one of the case. Raises `Misconfigured`."""
    spec = agent or case.agent.spec
    if not spec:
        raise Misconfigured(
            f"the case does not say where its agent {case.agent.name!r} is: name it as module:attribute"
        )
    return load(spec) if isinstance(spec, str) else spec


def bound_as_then(agent: Agent, case: Case, book: PromptBook, models: Sequence[str] = ()) -> BoundAgent:
    """The agent with these models, or those of then. Its tools of MCP servers are as the servers told of them then.

    Nobody is asked about them now. Raises `Misconfigured`.
    """
    bound = agent.bind(book, tuple(models or case.agent.models or RECORDED))
    tools = [tool for tool in bound.tools.tools.values() if isinstance(tool, McpTool)]
    told = _told(case) if tools else {}
    for tool in tools:
        if (found := _found(told.get(tool.name))) is not None:
            tool.line.found = found
    return bound


def _told(case: Case) -> Mapping[str, Any]:
    """What models were told of each function that they might call, by its name."""
    found: dict[str, Any] = {}
    for asked in (*case.earlier, *case.asked()):
        if asked.type == CallModel.type and isinstance(asked.effect, dict):
            functions = asked.effect.get("tools")
            for function in functions if isinstance(functions, list) else ():
                if isinstance(function, dict):
                    found.setdefault(str(function.get("name")), function)
    return found


def _found(told: Any) -> Found | None:
    try:
        function = FunctionTool.model_validate(told)
        return Found(function, JsonSchema(function.parameters or "{}"), _not_here)
    except (ValidationError, BadSchema):  # a file may say anything; what is not told stays unknown
        return None


async def _not_here(arguments: dict[str, Any], context: ToolContext) -> str:
    raise Permanent("no server of tools is called in a replay", kind="unroutable")
