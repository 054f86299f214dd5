"""A small agent: the shipped one with a check of its own. `CUELIGHT_AGENT=examples.my_agents:support cuelight up`."""

from __future__ import annotations

from collections.abc import Iterable

from agent import Agent, Budget, Draft, Retrieval
from agent.checks import GROUNDED, CitedAnswer


def is_short(draft: Draft) -> Iterable[str]:
    """What is yielded here is what the model is told when it has to write its answer again."""
    words = len(draft.answer.split())
    if words > 120:
        yield f"The answer has {words} words; it must have at most 120."


support = Agent(
    name="support",
    version="1.0.0",
    description="Short answers from the documents, with quotes.",
    prompt="answer",
    retrieval=Retrieval(collection="default", limit=4),
    output=CitedAnswer,
    checks=(*GROUNDED, is_short),
    budget=Budget(repairs=1, deadline_s=60),
    no_answer_text="I do not know; please write to a person.",
)
