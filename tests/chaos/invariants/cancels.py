"""I7: nothing happens after the end: no call of the model, and no other answer than the cancellation."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Finding, Row

AFTER_S = 1.0
UNAWARE = ("freeze_worker", "freeze_postgres", "ledger_delay", "ledger_half_open", "model_slow_network")
"""Who is frozen between its last look and its call, or hears of the end late, cannot know better."""


def i7_nothing_after_the_end(evidence: Evidence) -> Iterator[Finding]:
    """No call begins more than a second after its run was over; what was cancelled shows no answer, ever."""
    ended = {run["id"]: run["ended"] for run in evidence.runs if run["ended"] is not None}
    again = {run["id"] for run in evidence.runs if run["generation"] > 1}
    after_s = AFTER_S * evidence.slack
    for call in evidence.model:
        over = ended.get(call["run"])
        if over is None or call["run"] in again or call["began"] <= over + after_s:
            continue
        if not evidence.struck(over - after_s, call["began"], *UNAWARE):
            yield Finding("I7", f"the model was called {call['began'] - over:.1f} s after the end", call["run"])
    yield from _stays_cancelled(evidence)


def _stays_cancelled(evidence: Evidence) -> Iterator[Finding]:
    cancelled: dict[str, Row] = {}
    for reply, response in evidence.responses():
        if reply["how"] == "cancel" and response["status"] == "cancelled":
            cancelled[response["id"]] = reply
    for run in evidence.runs:
        if run["id"] in cancelled and run["status"] != "cancelled":
            yield Finding("I7", f"a client was told that it is cancelled, and it is {run['status']}", run["id"])
