"""What a draft must pass before a word of it leaves the service. Pure: texts in, problems out."""

from agent.checks.citing import cite, supports
from agent.checks.draft import Check, Cited, Draft, grounding
from agent.checks.grounding import (
    GROUNDED,
    answers_something,
    citations_are_given,
    claims_are_cited,
    passages_exist,
    quotes_are_found,
)
from agent.checks.parsing import CitedAnswer, Quoted, parse, schema

__all__ = [
    "GROUNDED",
    "Check",
    "Cited",
    "CitedAnswer",
    "Draft",
    "Quoted",
    "answers_something",
    "citations_are_given",
    "cite",
    "claims_are_cited",
    "grounding",
    "parse",
    "passages_exist",
    "quotes_are_found",
    "schema",
    "supports",
]
