"""I1 to I3: every accepted request ends, once, in time, the same for everybody, and its record has no holes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.evidence import ENDED, ENDINGS, Evidence, Finding, Row

GRACE_S = 5.0
"""A run past its deadline is ended by a sweep; the time that the ledger was away comes on top."""
SEMANTIC = ("status", "output", "error", "incomplete_details")


def i1_one_ending_in_time(evidence: Evidence) -> Iterator[Finding]:
    """Every run of the ledger ended in time, and every run that a client was told of is in the ledger."""
    runs = {run["id"]: run for run in evidence.runs}
    ended = {event["run"] for event in evidence.events if event["type"] in ENDINGS}
    for run in runs.values():
        if run["ended"] is None or run["id"] not in ended:
            yield Finding("I1", f"accepted and never ended (status {run['status']})", run["id"])
            continue
        late_s = run["ended"] - run["deadline"]
        away_s = evidence.overlap_s(run["deadline"] - 1, run["ended"], "ledger")
        if late_s > GRACE_S * evidence.slack + away_s:
            yield Finding("I1", f"ended {late_s:.1f} s after its deadline", run["id"])
    for reply, response in evidence.responses():
        if response["id"] not in runs:
            yield Finding("I1", f"a client ({reply['marker']}) has it and the ledger does not", response["id"])
    for row in evidence.work:
        if row["run"] in ended:
            yield Finding("I1", "has ended, and its work row is still there", row["run"])


def i2_endings_are_one_and_the_same(evidence: Evidence) -> Iterator[Finding]:
    """At most one ending a generation, and whoever read it read the same; once it is seen, nobody sees less."""
    endings: dict[tuple[str, int], int] = defaultdict(int)
    for event in evidence.events:
        endings[event["run"], event["generation"]] += event["type"] in ENDINGS
    for (run, generation), count in endings.items():
        if count > 1:
            yield Finding("I2", f"generation {generation} has {count} endings", run)
    seen: dict[str, list[tuple[Row, Row]]] = defaultdict(list)
    for reply, response in evidence.responses():
        seen[response["id"]].append((reply, response))
    replayed = {run["id"] for run in evidence.runs if run["generation"] > 1}
    for run, told in seen.items():
        if run not in replayed:
            yield from _same_for_all(run, told)


def _same_for_all(run: str, told: list[tuple[Row, Row]]) -> Iterator[Finding]:
    over = [(reply, response) for reply, response in told if response["status"] in ENDED]
    variants = {repr([response.get(name) for name in SEMANTIC]) for _, response in over}
    if len(variants) > 1:
        yield Finding("I2", f"readers saw {len(variants)} different endings", run)
    first = min((reply["ended"] for reply, _ in over), default=float("inf"))
    if any(response["status"] not in ENDED and reply["began"] > first for reply, response in told):
        yield Finding("I2", "somebody saw it ended, and somebody else, later, saw it under way", run)


def i3_no_gaps_same_bytes(evidence: Evidence) -> Iterator[Finding]:
    """The events of a generation count from 1 without gaps, end with the ending, and bytes read twice are the same."""
    seqs: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for event in evidence.events:
        seqs[event["run"], event["generation"]].append(event)
    for (run, generation), events in seqs.items():
        events.sort(key=lambda event: int(event["seq"]))
        if [event["seq"] for event in events] != list(range(1, len(events) + 1)):
            yield Finding("I3", f"generation {generation} has the seqs {[event['seq'] for event in events]}", run)
        if any(event["type"] in ENDINGS for event in events[:-1]):
            yield Finding("I3", f"generation {generation} has events after its ending", run)
    yield from _same_bytes(evidence)


def _same_bytes(evidence: Evidence) -> Iterator[Finding]:
    bodies: dict[str, set[str]] = defaultdict(set)
    alike: dict[str, set[str]] = defaultdict(set)
    for reply, response in evidence.responses():
        if response["status"] in ENDED:
            bodies[response["id"]].add(reply["body"].strip())
            alike[response["id"]].add(repr([response.get(name) for name in SEMANTIC]))
    for run, variants in bodies.items():
        if len(variants) > 1 and len(alike[run]) == 1:  # else it is I2 that is broken
            yield Finding("I3", f"the same ending came in {len(variants)} different spellings", run)
