"""Calls of a client's functions: whether they may be made, and whether their arguments are what the function takes."""

from __future__ import annotations

from collections.abc import Sequence

from agent.checks.json_schema import compiled
from agent.checks.structured import unambiguous
from agent.events import Problem
from agent.items import FunctionCall, FunctionTool, ToolChoice

CALLS_ARE_ALLOWED = "calls_are_allowed"
ARGUMENTS_ARE_VALID = "arguments_are_valid"
A_TOOL_IS_CALLED = "a_tool_is_called"
"""Names of the checks, in events and messages."""

MOST_CALLS = 128
MOST_ARGUMENT_CHARS = 200_000


def judge_calls(
    calls: Sequence[FunctionCall],
    tools: Sequence[FunctionTool],
    choice: ToolChoice,
    *,
    most: int = MOST_CALLS,
    cut_off: bool = False,
) -> list[Problem]:
    """What is wrong with the calls of one reply, in words for the model; empty if the client may see all of them.

    `most` calls are allowed together. A reply that was cut off may lack the call that it should have.
    """
    problems = _allowed(calls, tools, choice, most)
    for tool in tools:
        for call in calls:
            if call.name == tool.name:
                problems += [
                    Problem(check=ARGUMENTS_ARE_VALID, message=f"arguments of {tool.name} {told}")
                    for told in argument_problems(call, tool)
                ]
    if choice.mode == "required" and not calls and not cut_off:
        problems.append(Problem(check=A_TOOL_IS_CALLED, message=f"call {_listed(tools, choice)}; no text is enough"))
    return problems


def argument_problems(call: FunctionCall, tool: FunctionTool) -> list[str]:
    """What is wrong with the arguments of a call; empty if the function can be called with them. Raises nothing."""
    if len(call.arguments) > MOST_ARGUMENT_CHARS:
        return [f"/: longer than {MOST_ARGUMENT_CHARS:,} characters"]
    try:
        value = unambiguous(call.arguments)
    except ValueError as error:
        return [f"/: not one JSON object: {error}"]
    if not isinstance(value, dict):
        return ["/: not a JSON object"]
    return [] if tool.parameters is None else compiled(tool.parameters).problems(value)


def _allowed(
    calls: Sequence[FunctionCall], tools: Sequence[FunctionTool], choice: ToolChoice, most: int
) -> list[Problem]:
    offered = {tool.name for tool in tools if choice.allows(tool.name)}
    found = [f"{call.name!r} must not be called" for call in calls if call.name not in offered]
    if found:
        found = [*dict.fromkeys(found), f"you may call {_listed(tools, choice)}"]
    if len(calls) > most:
        found.append(f"{len(calls)} calls are too many: make no more than {most}")
    return [Problem(check=CALLS_ARE_ALLOWED, message=message) for message in found]


def _listed(tools: Sequence[FunctionTool], choice: ToolChoice) -> str:
    names = [tool.name for tool in tools if choice.allows(tool.name)]
    more = " or another one that is offered" if len(names) > 8 else ""
    return " or ".join(names[:8]) + more if names else "nothing"
