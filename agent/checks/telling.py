"""How problems of JSON are told to a model: where, as a JSON pointer, and what, on one short line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from pydantic import ValidationError

MOST_PROBLEMS = 8
MOST_PROBLEM_CHARS = 200


def pointer(path: Iterable[str | int]) -> str:
    """The JSON pointer of a place; empty for the whole."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def problem(path: Iterable[str | int], what: str) -> str:
    """One problem: `/path/to/it: what`, on one line of at most 200 characters."""
    return short(f"{pointer(path) or '/'}: {what}")


def short(text: str) -> str:
    """A text on one line of at most 200 characters."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_PROBLEM_CHARS else f"{line[: MOST_PROBLEM_CHARS - 1]}…"


def first_of(problems: Sequence[str]) -> list[str]:
    """The first eight; where there are more, the eighth says how many."""
    told = list(islice(problems, MOST_PROBLEMS))
    if len(problems) > MOST_PROBLEMS:
        told[-1] = f"and {len(problems) - MOST_PROBLEMS + 1} more problems"
    return told


def told(error: ValidationError) -> list[str]:
    """What pydantic found, without the values that it found it in."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return first_of([problem(item["loc"], item["msg"]) for item in found])
