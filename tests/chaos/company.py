"""The agents that the fault machine talks to, as a user would write them: CUELIGHT_AGENT names them."""

from __future__ import annotations

from collections.abc import Iterator

from agent import Agent
from agent.checks import CitedAnswer, answers_something, citations_are_given, passages_exist, quotes_are_found
from agent.checks.draft import Draft
from agent.steps import Budget, Retrieval

STUBBORN = "[reject-always]"
"""A question that holds it gets drafts that no repair mends."""


def holds_no_forbidden_word(draft: Draft) -> Iterator[str]:
    """What the model marks as not to be seen is not seen. The message holds no word of the draft."""
    if "REJECT-ME" in draft.raw:
        again = f" {STUBBORN}" if STUBBORN in draft.request.question else ""
        yield f"the draft holds a forbidden word{again}"


talk = Agent(
    name="talk",
    prompt="chat",
    checks=(answers_something, holds_no_forbidden_word),
    budget=Budget(deadline_s=60.0),
)

cited = Agent(
    name="cited",
    prompt="answer",
    retrieval=Retrieval(limit=2),
    output=CitedAnswer,
    checks=(answers_something, citations_are_given, passages_exist, quotes_are_found, holds_no_forbidden_word),
    budget=Budget(deadline_s=60.0),
)
