"""I9: work is set aside for a reason on record, whoever's work is set aside is told, and garbage does not vanish."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Finding, Row

MOST_DELIVERIES = 8
MOST_FAILURES = 24
"""Of one run, at all of its steps."""
ATTEMPTS = {"transport": 14, "server": 14, "malformed": 3, "empty": 3, "bug": 3}
"""How often work is tried that fails so; all other passing failures five times."""
PASSING = frozenset({"malformed", "empty", "bug", "transport", "server", "search"})
"""A ledger or a stream that was away is our own trouble, and no reason to set a run's work aside; an endpoint that has
enough to do is none either."""
FINAL = frozenset({"quota", "rejected", "unauthorized", "undecodable", "unroutable", "budget"})
FATAL = FINAL | {"unstorable", "unreadable", "garbage"}
NO_LETTER = frozenset({"no_valid_answer", "refused", "cancelled", "deadline_exceeded"})
"""Endings about which an operator has nothing to do: they leave no letter."""
NEAR_S = 15.0


def i9_letters_for_a_reason(evidence: Evidence) -> Iterator[Finding]:
    """A dead letter's class and counts, the failed runs' letters, and the garbage that was thrown in."""
    for letter in evidence.letters:
        if not _deserved(evidence, letter):
            told = f"set aside as {letter['kind']} on attempt {letter['attempt']}"
            yield Finding("I9", told, letter["run"] or "")
    lettered = {letter["run"] for letter in evidence.letters}
    for run in evidence.runs:
        why = run["code"] or "no code"  # the words of a purged run are gone, and its code with them
        if run["status"] == "failed" and why not in NO_LETTER and run["id"] not in lettered and not run["purged"]:
            yield Finding("I9", f"failed with {why} and left no dead letter", run["id"])
    yield from _garbage(evidence)


def _deserved(evidence: Evidence, letter: Row) -> bool:
    kind = letter["kind"]
    if kind == "deliveries":
        return any(
            row["run"] == letter["run"] and row["seq"] == letter["seq"] and row["delivery"] > MOST_DELIVERIES
            for row in evidence.attempts
        )
    if kind == "retries":
        failed = [row for row in evidence.attempts if row["run"] == letter["run"] and row["outcome"] == "postpone"]
        return len(failed) >= MOST_FAILURES - 1
    if kind in PASSING:
        return int(letter["attempt"] or 0) >= ATTEMPTS.get(kind, 5)
    return kind in FATAL


def _garbage(evidence: Evidence) -> Iterator[Finding]:
    texts = "\n".join(letter["text"] for letter in evidence.letters)
    losing = [fault for fault in evidence.faults if fault["loses"] or fault["kind"] in ("del_stream", "xgroup_destroy")]
    for fault in evidence.faults:
        for key, mark in (fault["told"].get("marks") or {}).items():
            lost = any(fault["began"] - NEAR_S < other["began"] < fault["ended"] + NEAR_S for other in losing)
            if ":work:" in key and mark not in texts and not lost:
                yield Finding("I9", f"{mark} was thrown into {key} and stands in no dead letter")
