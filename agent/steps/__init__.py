"""The flow of an agent as a table. A row is a route: its name, the event it takes, its step, what that may return.

The last event a step returns decides where the run goes next; `AnswerAccepted` and `RunFailed` end it.
"""

from __future__ import annotations

from typing import Any

from agent.approvals import APPROVED
from agent.events import (
    AnswerAccepted,
    AnswerDrafted,
    ApprovalDecided,
    ApprovalRequested,
    DraftRejected,
    Event,
    PassagesFound,
    RequestReceived,
    RunFailed,
    ToolsAnswered,
    ToolsRequested,
)
from agent.router import Route
from agent.steps.approve import Expire
from agent.steps.call_tools import CallTools
from agent.steps.generate import Drafting, Generate
from agent.steps.joining import Before
from agent.steps.parts import Budget, Parts, Retrieval, Routes
from agent.steps.repair import Repair
from agent.steps.retrieve import Retrieve
from agent.steps.validate import Validate

__all__ = [
    "Before",
    "Budget",
    "CallTools",
    "Drafting",
    "Generate",
    "Parts",
    "Repair",
    "Retrieval",
    "Retrieve",
    "Routes",
    "Validate",
    "grounded_routes",
    "judged",
    "plain_routes",
    "tool_routes",
]


# fmt: off
def grounded_routes(parts: Parts) -> list[Route[Any]]:
    """Answers a question from the passages of a collection."""
    return [
        Route("retrieve", RequestReceived, Retrieve.of(parts), (PassagesFound, RunFailed)),
        Route("generate", PassagesFound,   Generate.of(parts), (AnswerDrafted, RunFailed)),
        Route("validate", AnswerDrafted,   Validate.of(parts), judged(parts)),
        Route("repair",   DraftRejected,   Repair.of(parts),   (AnswerDrafted, RunFailed)),
        *tool_routes(parts),
    ]


def plain_routes(parts: Parts) -> list[Route[Any]]:
    """Replies from the conversation alone."""
    return [
        Route("generate", RequestReceived, Generate.of(parts), (AnswerDrafted, RunFailed)),
        Route("validate", AnswerDrafted,   Validate.of(parts), judged(parts)),
        Route("repair",   DraftRejected,   Repair.of(parts),   (AnswerDrafted, RunFailed)),
        *tool_routes(parts),
    ]


def tool_routes(parts: Parts) -> list[Route[Any]]:
    """What joins a flow whose agent has tools: they are called, and the model goes on with what they brought."""
    if not parts.tools.tools:
        return []
    call, rest = CallTools(parts.tools), parts.tools.wants_approvals
    waits = (ApprovalRequested,) if rest else ()
    routes: list[Route[Any]] = [
        Route("tools",    ToolsRequested,    call,               (ToolsAnswered, *waits, RunFailed)),
        Route("resume",   ToolsAnswered,     Generate.of(parts), (AnswerDrafted, RunFailed)),
    ]
    approvals: list[Route[Any]] = [
        Route("approval", ApprovalRequested, Expire(),           (ApprovalDecided,)),
        Route(APPROVED,   ApprovalDecided,   call,               (ToolsAnswered, RunFailed)),
    ]
    return [*routes, *approvals] if rest else routes


def judged(parts: Parts) -> tuple[type[Event], ...]:
    """What may become of a draft."""
    calls = (ToolsRequested,) if parts.tools.tools else ()
    return (AnswerAccepted, DraftRejected, *calls, RunFailed)
# fmt: on
