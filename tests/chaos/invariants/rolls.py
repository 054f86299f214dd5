"""I13: a rolling restart costs nothing: no work is tried again for it, and none is handed out again."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Finding, Row

LINGERS_S = {"redis": 10.0, "ledger": 10.0, "model": 10.0, "worker": 1.0, "relay": 1.0}
"""For how long after its end a fault may still be felt by a run that begins then; one of the API is felt by no work."""


def i13_a_rolling_restart_burns_nothing(evidence: Evidence) -> Iterator[Finding]:
    """Runs that only a rolling restart disturbed have first attempts only, each delivered once; and workers do stop."""
    attempts = evidence.by_run(evidence.attempts)
    for run in rolled(evidence):
        for row in attempts[run["id"]]:
            if row["attempt"] > 1 or row["delivery"] > 1:
                told = f"attempt {row['attempt']}, delivery {row['delivery']} at {row['route']}"
                yield Finding("I13", f"{told}, with nothing but a rolling restart", run["id"])
    for roll in rolls(evidence):
        bad = [code for code in roll["told"].get("codes", ()) if code != 0]
        if bad and not _disturbed(evidence, roll["began"], roll["ended"]):
            yield Finding("I13", f"workers that were asked to stop ended with {bad}")


def rolls(evidence: Evidence) -> list[Row]:
    return [fault for fault in evidence.faults if fault["kind"] == "roll_workers"]


def rolled(evidence: Evidence) -> Iterator[Row]:
    """The runs that were open during a rolling restart and that nothing else can have disturbed."""
    times = [(roll["began"], roll["ended"]) for roll in rolls(evidence)]
    for run in evidence.runs:
        created, ended = run["created"], run["ended"]
        open_then = ended is not None and any(created < over and began < ended for began, over in times)
        if open_then and not _disturbed(evidence, created, ended):
            yield run


def _disturbed(evidence: Evidence, since: float, until: float) -> bool:
    """Whether anything but a rolling restart can be felt at any moment of a time."""
    return any(
        fault["kind"] != "roll_workers"
        and fault["began"] < until
        and since < fault["ended"] + LINGERS_S.get(fault["strikes"], float("-inf"))
        for fault in evidence.faults
    )
