"""The checks of an answer that has to stand on passages. No model judges here: only words are compared.

That a quote stands in its source is necessary and not sufficient: whether a sentence follows from its quote is beyond
these checks, but a number, a quotation or a source that was made up is not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import islice

from agent.checks.claims import claims_are_cited, names_are_cited
from agent.checks.draft import Draft, grounding
from agent.checks.finding import MOST_ANSWER_CHARS, MOST_CITATIONS, passage_of, shortened
from agent.checks.language import language_is_the_questions
from agent.checks.quoting import quotes_are_found
from agent.text import marks

MOST_PROBLEMS = 8


def answers_something(draft: Draft) -> Iterator[str]:
    """The answer is not blank, unless the draft says that there is none, and not longer than 100,000 characters."""
    if len(draft.answer) > MOST_ANSWER_CHARS:
        yield f"the answer is longer than {MOST_ANSWER_CHARS:,} characters; be shorter"
    elif not draft.no_answer and not any(map(_is_visible, draft.answer)):
        yield "the answer is empty"


def citations_are_given(draft: Draft) -> Iterator[str]:
    """An answer has at least one citation and at most 64; no answer has none."""
    if draft.no_answer and draft.citations:
        yield "no_answer is true, so citations must be empty"
    elif not draft.no_answer and not draft.citations:
        yield "the answer has no citation: quote the passages that it stands on, or set no_answer to true"
    elif len(draft.citations) > MOST_CITATIONS:
        yield f"there are more than {MOST_CITATIONS} citations; give the best ones"


@grounding
def passages_exist(draft: Draft) -> Iterator[str]:
    """Every citation, and every mark like [p1] in the answer, names a passage that was given."""
    labels = ", ".join(passage.label for passage in draft.passages[:20]) or "none, there are no passages"
    named = (cited.passage_id for cited in draft.citations[:MOST_CITATIONS])
    unknown = dict.fromkeys(name for name in named if passage_of(draft, name) is None)
    for name in islice(unknown, MOST_PROBLEMS):
        yield f'there is no passage "{shortened(name)}"; cite one of: {labels}'
    marked = dict.fromkeys(name for name in marks(draft.answer[:MOST_ANSWER_CHARS]) if name.startswith("p"))
    for name in islice((name for name in marked if passage_of(draft, name) is None), MOST_PROBLEMS):
        yield f"the answer is marked [{name}], but there is no such passage"


GROUNDED = (
    answers_something,
    citations_are_given,
    passages_exist,
    quotes_are_found,
    claims_are_cited,
    names_are_cited,
    language_is_the_questions,
)
"""All of them, in the order in which their problems are told."""


def _is_visible(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNS"
