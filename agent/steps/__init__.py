"""The flow of an agent as a table. A row is a route: its name, the event it takes, its step, what that may return.

The last event a step returns decides where the run goes next; `AnswerAccepted` and `RunFailed` end it.
"""

from __future__ import annotations

from typing import Any

from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, PassagesFound, RequestReceived, RunFailed
from agent.router import Route
from agent.steps.generate import Drafting, Generate
from agent.steps.joining import Before
from agent.steps.parts import Budget, Parts, Retrieval, Routes
from agent.steps.repair import Repair
from agent.steps.retrieve import Retrieve
from agent.steps.validate import Validate

__all__ = [
    "Before",
    "Budget",
    "Drafting",
    "Generate",
    "Parts",
    "Repair",
    "Retrieval",
    "Retrieve",
    "Routes",
    "Validate",
    "grounded_routes",
    "plain_routes",
]


# fmt: off
def grounded_routes(parts: Parts) -> list[Route[Any]]:
    """Answers a question from the passages of a collection."""
    return [
        Route("retrieve", RequestReceived, Retrieve.of(parts), (PassagesFound, RunFailed)),
        Route("generate", PassagesFound,   Generate.of(parts), (AnswerDrafted, RunFailed)),
        Route("validate", AnswerDrafted,   Validate.of(parts), (AnswerAccepted, DraftRejected, RunFailed)),
        Route("repair",   DraftRejected,   Repair.of(parts),   (AnswerDrafted, RunFailed)),
    ]


def plain_routes(parts: Parts) -> list[Route[Any]]:
    """Replies from the conversation alone."""
    return [
        Route("generate", RequestReceived, Generate.of(parts), (AnswerDrafted, RunFailed)),
        Route("validate", AnswerDrafted,   Validate.of(parts), (AnswerAccepted, DraftRejected, RunFailed)),
        Route("repair",   DraftRejected,   Repair.of(parts),   (AnswerDrafted, RunFailed)),
    ]
# fmt: on
