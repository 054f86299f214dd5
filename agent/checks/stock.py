"""Checks with settings, for authors of agents: `checks=(length(most_words=120), forbidden(r"(?i)guarantee"))`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import islice
from typing import Any

import orjson
import re2

from agent.checks.draft import Check, Draft
from agent.checks.finding import MOST_ANSWER_CHARS, Words, shortened
from agent.checks.json_schema import BadSchema, compiled
from agent.checks.structured import unambiguous
from agent.errors import Misconfigured
from agent.events import Evidence

MOST_PATTERN_BYTES = 1 << 20
"""Of a compiled pattern."""
MOST_FOUND = 8


def length(
    *,
    most_words: int | None = None,
    least_words: int | None = None,
    most_chars: int | None = None,
    least_chars: int | None = None,
) -> Check:
    """The answer is so long, in words and in characters (code points); a draft without an answer is let be.

    In scripts without blanks between words each sign is a word. Raises `Misconfigured` if no answer could pass.
    """
    limits = {"words": (least_words, most_words), "characters": (least_chars, most_chars)}
    if all(limit == (None, None) for limit in limits.values()):
        raise Misconfigured("a check of length needs a limit")
    for least, most in limits.values():
        if least is not None and most is not None and least > most:
            raise Misconfigured(f"no answer is longer than {least} and shorter than {most}")
    return partial(length_is_kept, words=limits["words"], chars=limits["characters"])


Limits = tuple[int | None, int | None]
"""The least and the most; None for no limit."""


def length_is_kept(draft: Draft, *, words: Limits, chars: Limits) -> Iterator[str]:
    """See `length`."""
    if draft.no_answer:
        return
    yield from _beyond(len(draft.answer), chars, "characters")
    if words != (None, None):
        yield from _beyond(len(Words(draft.answer[:MOST_ANSWER_CHARS]).tokens), words, "words")


def _beyond(count: int, limits: Limits, what: str) -> Iterator[str]:
    least, most = limits
    if most is not None and count > most:
        yield f"the answer has {count} {what}; it must have at most {most}"
    if least is not None and count < least:
        yield f"the answer has {count} {what}; it must have at least {least}"


def forbidden(*patterns: str) -> Check:
    r"""No pattern occurs in the answer. Patterns are RE2's (https://github.com/google/re2/wiki/Syntax).

    `\b`, `\w` and `\d` know ASCII only there: write `\pL` for a letter of any script.

    They take time in proportion to the answer, whatever they are. Raises `Misconfigured` for one that RE2 does not
    take: look-around and back-references have no such bound.
    """
    for pattern in patterns:
        _compiled(pattern)
    return partial(nothing_is_forbidden, patterns=patterns)


def nothing_is_forbidden(draft: Draft, *, patterns: tuple[str, ...]) -> Iterator[str | Evidence]:
    """See `forbidden`."""
    answer = draft.answer[:MOST_ANSWER_CHARS]
    for pattern in patterns:
        found = list(islice(_compiled(pattern).finditer(answer), MOST_FOUND))
        if found:
            yield from (Evidence(start=match.start(), end=match.end()) for match in found)
            yield f'the answer must not say "{shortened(found[0][0])}"'


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = MOST_PATTERN_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise Misconfigured(f"the pattern {pattern!r} cannot be used: {reason}") from None


def matches_schema(schema: dict[str, Any]) -> Check:
    """The answer is JSON that a JSON Schema (2020-12) allows. Raises `Misconfigured` if the schema cannot be used."""
    text = orjson.dumps(schema).decode()
    try:
        compiled(text)
    except BadSchema as error:
        raise Misconfigured(f"the schema cannot be used: {error}") from None
    return partial(schema_is_kept, schema=text)


def schema_is_kept(draft: Draft, *, schema: str) -> Iterator[str]:
    """See `matches_schema`."""
    if draft.no_answer:
        return
    try:
        value = unambiguous(draft.answer)
    except ValueError as error:
        yield f"the answer is not JSON: {error}"
    else:
        yield from compiled(schema).problems(value)
