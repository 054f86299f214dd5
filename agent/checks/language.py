"""Whether an answer is in the language that it should be in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import partial

from agent.checks.draft import Check, Draft
from agent.checks.finding import MOST_ANSWER_CHARS, Words
from agent.errors import Misconfigured
from agent.text.language import LEAST_LETTERS, language_of, languages
from agent.text.language_names import NAMES, name_of_language

SURE = 0.6
POSSIBLE = 0.1
"""An answer is in a language with at least the first probability, unless one that is right has at least the second."""
MOST_PASSAGES = 3


def language(*codes: str) -> Check:
    """The answer is in one of these languages (ISO 639: `de`). Raises `Misconfigured` for a code that is unknown."""
    for code in codes:
        if code not in NAMES:
            raise Misconfigured(f"there is no language {code!r}: use one of {', '.join(sorted(NAMES))}")
    return partial(language_is_kept, codes=codes)


def language_is_kept(draft: Draft, *, codes: tuple[str, ...]) -> Iterator[str]:
    """See `language`. A draft without an answer of its own is in none."""
    if not draft.no_answer and _is_foreign(draft.answer, codes):
        yield f"the answer must be in {' or '.join(map(name_of_language, codes))}"


def language_is_the_questions(draft: Draft) -> Iterator[str]:
    """The answer is in the language of the question, or in one that the question or the instructions name.

    Words that the passages and the question have too tell nothing, so an answer that is made of them passes, as does
    one that is too short to tell. Where the question is too short, it is the passages' language.
    """
    if draft.no_answer or not _has_words_of_its_own(draft):
        return
    asked = language_of(draft.request.question) or _language_of_passages(draft)
    if asked is not None and _is_foreign(draft.answer, (asked,)) and not _is_wanted(draft):
        yield f"the answer must be in the language of the question, which is {name_of_language(asked)}"


def _is_foreign(text: str, codes: tuple[str, ...]) -> bool:
    found = languages(text)
    best = max(found, key=lambda it: found[it], default="")
    return bool(found) and found[best] >= SURE and all(found.get(code, 0) < POSSIBLE for code in codes)


def _has_words_of_its_own(draft: Draft) -> bool:
    texts = (*(passage.text for passage in draft.passages), draft.request.question)
    known = {word for text in texts for word in Words(text).folded}
    own = [word for word in Words(draft.answer[:MOST_ANSWER_CHARS]).folded if word not in known]
    return sum(map(_letters, own)) >= LEAST_LETTERS


def _letters(word: str) -> int:
    """A sign of East Asia says as much as two letters."""
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in word if char.isalpha())


def _language_of_passages(draft: Draft) -> str | None:
    return language_of("\n".join(passage.text for passage in draft.passages[:MOST_PASSAGES]))


def _is_wanted(draft: Draft) -> bool:
    """Whether the answer's language was asked for by a name: its own, or the English one."""
    wanted = NAMES.get(language_of(draft.answer) or "", ())
    said = f"{draft.request.question} {draft.request.instructions or ''}".casefold()
    return any(name.casefold() in said for name in wanted)
