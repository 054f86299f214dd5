"""All tools of an agent, and which of them a model may call at this point of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from agent.checks.calling import ARGUMENTS_ARE_VALID
from agent.errors import Misconfigured, Permanent
from agent.events import CalledTool, Problem, ToolsAnswered
from agent.items import FunctionCall, FunctionTool, ToolChoice
from agent.run import Run
from agent.tools.mcp import McpServer
from agent.tools.tool import Tool

MOST_AT_ONCE = 16
"""Calls of the agent's own tools in one reply."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a model is offered for its next reply, and what it has to do about it."""

    tools: tuple[FunctionTool, ...]
    choice: ToolChoice


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of an agent by name; `rounds` is how often in a run a model may call some of them."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    rounds: int = 8

    @classmethod
    def of(cls, tools: Sequence[Tool | McpServer], rounds: int = 8) -> Toolbox:
        """Raises `Misconfigured` if two tools have one name, or one has arguments that nobody could check."""
        found: dict[str, Tool] = {}
        for each in chain.from_iterable(it.tools if isinstance(it, McpServer) else (it,) for it in tools):
            if found.setdefault(each.name, each) is not each:
                raise Misconfigured(f"two tools are called {each.name!r}; a model could not choose")
            each.check()
        return cls(found, rounds)

    def named(self, name: str) -> Tool:
        """Raises `Permanent` (`unroutable`) if there is none: a release took it away while a run was under way."""
        if name not in self.tools:
            raise Permanent(f"the agent has no tool {name!r} any more", kind="unroutable")
        return self.tools[name]

    @property
    def wants_approvals(self) -> bool:
        """Whether a call may have to wait for somebody."""
        return any(each.approval for each in self.tools.values())

    def offer(self, run: Run) -> Offer:
        """The client's functions and the agent's tools.

        A client's `tool_choice` is about its own functions: where it wants one of them called, or none of them, the
        agent's tools are offered after that, or alone. After the last round nothing of the agent's is left to call.
        """
        request = run.request
        mine = tuple(each.function for each in self.tools.values())
        if not mine:
            return Offer(request.tools, request.tool_choice)
        if not request.tools or request.tool_choice.mode == "none":
            return Offer(mine, ToolChoice(mode="auto" if self.may_call(run) else "none"))
        if request.tool_choice != ToolChoice() or not self.may_call(run):
            return Offer(request.tools, request.tool_choice)
        return Offer((*request.tools, *mine), request.tool_choice)

    def may_call(self, run: Run) -> bool:
        """Whether a round is left, and a call under the request's `max_tool_calls`."""
        return rounds_of(run) < self.rounds and self.most(run) > 0

    def most(self, run: Run) -> int:
        """How many calls of its own tools one reply may make."""
        made = sum(len(event.results) for event in run.events if isinstance(event, ToolsAnswered))
        left = MOST_AT_ONCE if run.request.max_tool_calls is None else run.request.max_tool_calls - made
        return min(MOST_AT_ONCE, left, *(() if run.request.parallel_tool_calls else (1,)))

    def mine(self, calls: Sequence[FunctionCall]) -> tuple[FunctionCall, ...]:
        """Those of the calls that are of the agent's own tools."""
        return tuple(call for call in calls if call.name in self.tools)

    def problems(self, calls: Sequence[FunctionCall]) -> Iterator[Problem]:
        """What the tools' own models say against the arguments of calls."""
        for call in self.mine(calls):
            read = self.tools[call.name].read(call.arguments)
            for told in read if isinstance(read, list) else ():
                yield Problem(check=ARGUMENTS_ARE_VALID, message=f"arguments of {call.name} {told}")


def rounds_of(run: Run) -> int:
    """How often tools of the agent were called in this run so far."""
    return sum(isinstance(event, ToolsAnswered) for event in run.events)


def results_of(run: Run) -> Iterator[CalledTool]:
    """What tools of the agent have brought in this run, oldest first."""
    return (result for event in run.events if isinstance(event, ToolsAnswered) for result in event.results)
