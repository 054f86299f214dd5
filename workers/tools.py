"""How a tool of an agent is called: with its time limit, its own retries, and a result cut to size."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, wait_random_exponential

from agent.definition import BoundAgent
from agent.effects import TOOL_FAILED, TOOL_WAS_LATE, TOOL_WAS_UNTOLD, CallTool, ToolResult
from agent.envelope import scrub
from agent.errors import AgentError, Permanent
from agent.ports import Begun
from agent.tools import Tool, ToolContext, ToolError

log = structlog.get_logger(__name__)

FIRST_WAIT_S = 0.2
MOST_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of every agent of this process."""

    agents: Mapping[str, BoundAgent] = field(default_factory=dict)

    async def __call__(self, effect: CallTool, begun: Begun, until: float) -> ToolResult:
        """What a call brought, or that it failed, in words for the model; `until` is in monotonic seconds.

        Raises:
            Permanent: the agent has no such tool, or the tool says so itself, which ends the run.
            Transient: the tool says so itself; the work is tried again later, with what has been brought on record.
        """
        agent = self.agents.get(begun.agent)
        tool = agent.tools.tools.get(effect.tool) if agent else None
        if tool is None:
            raise Permanent(f"agent {begun.agent!r} has no tool {effect.tool!r}", kind="unroutable")
        arguments = tool.read(effect.arguments)
        if isinstance(arguments, list):
            return ToolResult(text=f"The call was not made: {'; '.join(arguments)}", failed=True)
        return await _called(tool, arguments, effect, begun, until)


async def _called(tool: Tool, arguments: BaseModel, effect: CallTool, begun: Begun, until: float) -> ToolResult:
    try:
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(tool.retries + 1),
            wait=wait_random_exponential(multiplier=FIRST_WAIT_S, max=MOST_WAIT_S),
            retry=lambda state: _may_go_on(state, until),
            reraise=True,
        ):
            with attempt:
                limit_s = min(tool.timeout_s, until - time.monotonic())
                number = attempt.retry_state.attempt_number
                context = ToolContext(begun.pointer.run, begun.pointer.project, effect.key, number, limit_s)
                value = await _tried(tool, arguments, context)
    except AgentError:
        raise
    except ToolError as error:
        return ToolResult(text=as_text(str(error), tool.most_chars), failed=True)
    except Exception as error:  # an author's code met what it did not expect; its words may hold what nobody should see
        what = error.__cause__ if isinstance(error, Strayed) else error
        log.warning("tool_failed", tool=tool.name, error=type(what).__name__)
        return ToolResult(text=TOOL_WAS_LATE if isinstance(error, TimeoutError) else TOOL_FAILED, failed=True)
    return _told(tool, value)


class Strayed(Exception):
    """A tool let something out that would end more than its call."""


async def _tried(tool: Tool, arguments: BaseModel, context: ToolContext) -> Any:
    """One try. Raises `Exception`s, and beside them only what came from outside.

    A tool that exits, or lets out the cancellation of a task of its own, would take its worker along, or leave the
    call to be made again by the next one.
    """
    try:
        async with asyncio.timeout(context.remaining_s):
            return await tool.work(arguments, context)
    except (SystemExit, StopAsyncIteration, BaseExceptionGroup) as error:
        raise Strayed from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Strayed from error


def _told(tool: Tool, value: Any) -> ToolResult:
    """The result of a call that was made: whatever it is, the call is not made again."""
    try:
        return ToolResult(text=as_text(value, tool.most_chars))
    except Exception:  # a model of the author's may fail to be written in ways of its own
        log.warning("tool_result_untold", tool=tool.name, kind=type(value).__name__)
        return ToolResult(text=TOOL_WAS_UNTOLD, failed=True)


def _may_go_on(state: RetryCallState, until: float) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return isinstance(error, Exception) and not isinstance(error, AgentError | ToolError) and time.monotonic() < until


def as_text(value: Any, most: int) -> str:
    """A result as a model reads it, cut to `most` characters. Raises for what is no JSON."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    text = scrub(value if isinstance(value, str) else orjson.dumps(value).decode())
    return text if len(text) <= most else f"{text[:most]}… (cut; it has {len(text):,} characters)"
