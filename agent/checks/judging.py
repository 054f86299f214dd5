"""Asking a check about a draft: what it says, as data."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from itertools import islice

from agent.checks.draft import Check, Draft
from agent.events import Evidence, Problem, VerdictGiven

MOST_PROBLEMS = 8
MOST_PROBLEM_CHARS = 300
MOST_EVIDENCE = 64


def verdicts(checks: Iterable[Check], draft: Draft, repairs: int = 0) -> list[VerdictGiven]:
    """One verdict for each check, in their order. Raises what a check raises: that is a bug, and no problem."""
    return [judge(check, draft, repairs) for check in checks]


def judge(check: Check, draft: Draft, repairs: int = 0) -> VerdictGiven:
    """What a check says of a draft, cut to at most eight problems of 300 characters and 64 pieces of evidence.

    Raises `TypeError` for what is neither: a check that gives its problems in another way must not pass for one
    that has none.
    """
    said = list(islice(_given(check, draft), 10_000))
    for it in said:
        if not isinstance(it, str | Evidence):
            raise TypeError(f"the check {name_of(check)!r} gave {_kind(it)} where a problem is a string")
    evidence = [it for it in said if isinstance(it, Evidence)]
    problems = [one_line(it) for it in said if isinstance(it, str)]
    return verdict(name_of(check), problems, repairs, evidence)


def _given(check: Check, draft: Draft) -> Iterable[str | Evidence]:
    given = check(draft)
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"the check {name_of(check)!r} gave {_kind(given)}; it must yield problems, or return a list")
    return given


def _kind(value: object) -> str:
    return "None" if value is None else f"one {type(value).__name__}"


def verdict(check: str, problems: Iterable[str], repairs: int, evidence: Iterable[Evidence] = ()) -> VerdictGiven:
    """A verdict of a check that was asked already."""
    told = tuple(map(one_line, islice(problems, MOST_PROBLEMS)))
    return VerdictGiven(
        check=check,
        passed=not told,
        repairs=repairs,
        problems=told,
        evidence=tuple(sorted(evidence, key=_order)[:MOST_EVIDENCE]),
    )


def problems_of(given: Iterable[VerdictGiven]) -> Iterator[Problem]:
    """What the model has to mend, in the order of the verdicts."""
    return (Problem(check=it.check, message=message) for it in given for message in it.problems)


def name_of(check: Check) -> str:
    """A check's name in events and messages: its function's, also under `functools.partial`."""
    if isinstance(check, functools.partial):
        return name_of(check.func)
    return getattr(check, "__name__", type(check).__name__)


def described(check: Check) -> str:
    """A check's name with the settings that it was given, where these are plain values: `length(words=(None, 9))`."""
    if not isinstance(check, functools.partial):
        return name_of(check)
    given = {name: value for name, value in sorted(check.keywords.items()) if _is_plain(value)}
    settings = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return f"{name_of(check)}({settings})" if settings else name_of(check)


def _is_plain(value: object) -> bool:
    """Whether it reads the same in every process."""
    return all(map(_is_plain, value)) if isinstance(value, tuple) else isinstance(value, str | int | float | None)


def one_line(message: str) -> str:
    """A problem as it is told and kept."""
    line = " ".join(message[: 4 * MOST_PROBLEM_CHARS].split())
    return line if len(line) <= MOST_PROBLEM_CHARS else f"{line[: MOST_PROBLEM_CHARS - 1]}…"


def _order(evidence: Evidence) -> bool:
    """What is wrong comes first: that must not be cut off."""
    return evidence.status in ("found", "repaired", None)
