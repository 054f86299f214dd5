"""What a draft must pass before a word of it leaves the service. Pure: texts in, problems out."""

from agent.checks.citing import cite, supports
from agent.checks.claims import claims_are_cited, names_are_cited
from agent.checks.draft import Check, Cited, Draft, grounding
from agent.checks.grounding import GROUNDED as _GROUNDED
from agent.checks.grounding import (
    answers_something,
    citations_are_given,
    passages_exist,
)
from agent.checks.harmless import HARMLESS, no_active_markup, no_foreign_links, prompt_is_kept
from agent.checks.language import language, language_is_the_questions
from agent.checks.parsing import CitedAnswer, Quoted, parse, schema
from agent.checks.quoting import QuoteVerdict, quote_verdicts, quotes_are_found
from agent.checks.scores import CitationScores, citation_scores
from agent.checks.stock import forbidden, length, matches_schema

__all__ = [
    "GROUNDED",
    "HARMLESS",
    "Check",
    "CitationScores",
    "Cited",
    "CitedAnswer",
    "Draft",
    "QuoteVerdict",
    "Quoted",
    "answers_something",
    "citation_scores",
    "citations_are_given",
    "cite",
    "claims_are_cited",
    "forbidden",
    "grounding",
    "language",
    "language_is_the_questions",
    "length",
    "matches_schema",
    "names_are_cited",
    "no_active_markup",
    "no_foreign_links",
    "parse",
    "passages_exist",
    "prompt_is_kept",
    "quote_verdicts",
    "quotes_are_found",
    "schema",
    "supports",
]

GROUNDED = (*_GROUNDED, *HARMLESS)
"""What the answers of the `documents` agent pass, in the order in which their problems are told."""
