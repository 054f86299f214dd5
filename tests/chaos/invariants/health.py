"""I10 to I12: after quiet time nothing is left to see to, and after every fault it took not long."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.chaos.evidence import Evidence, Finding, Row

RECOVERY_S = 10.0
"""From the end of a fault until runs end again; what clients notice."""
TAKE_OVER_S = 5.0
"""From the death of a worker until another has begun its work, for 99 of 100."""
MEANT = frozenset({"dead-letters", "instance-gone", "redis-lost"})
"""Warnings: garbage that was thrown in lies in the dead letters, who was killed is gone, and Redis had to forget."""
MORE_BYTES = 8_000_000
MORE_KEYS = 40


def i10_doctor_is_content(evidence: Evidence) -> Iterator[Finding]:
    """`cuelight doctor` finds nothing once all is quiet, but what the machine itself brought about."""
    for visit in evidence.doctor:
        try:
            found = json.loads(visit["said"])["findings"]
        except (ValueError, KeyError, TypeError):
            yield Finding("I10", f"doctor (exit code {visit['code']}) says nothing that can be read: {visit['errors']}")
            continue
        for it in found:
            if it["level"] != "warning" or it["check"] not in MEANT:
                yield Finding("I10", f"doctor: {it['level']} {it['check']} {it['subject']}: {it['said']}")


def recoveries(evidence: Evidence) -> list[tuple[Row, float]]:
    """Every fault with the seconds from its end until the next run ended; those at the load's end are left out."""
    ends = sorted(run["ended"] for run in evidence.runs if run["ended"] is not None)
    until = evidence.span[0]["load_until"] if evidence.span else float("inf")
    found = []
    for fault in evidence.faults:
        place = bisect_right(ends, fault["ended"])
        if fault["ended"] < until - RECOVERY_S:
            found.append((fault, ends[place] - fault["ended"] if place < len(ends) else float("inf")))
    return found


def stalls(evidence: Evidence) -> list[float]:
    """The times, in seconds, between a run's ending and the next one, while there was load; the longest first."""
    if not evidence.span:
        return []
    began, until = evidence.span[0]["began"], evidence.span[0]["load_until"]
    ends = sorted(run["ended"] for run in evidence.runs if run["ended"] and began <= run["ended"] <= until)
    return sorted((later - earlier for earlier, later in pairwise(ends)), reverse=True)


def take_overs(evidence: Evidence) -> list[tuple[float, float]]:
    """When a worker was killed, and the seconds until a piece of its work was begun by another; one for each piece."""
    begun = evidence.by_run(evidence.attempts)
    found = []
    for fault in evidence.faults:
        if fault["kind"] != "kill_worker" or "pid" not in fault["told"]:
            continue
        at = fault["began"]
        for row in evidence.attempts:
            if f":{fault['told']['pid']}:" in row["worker"] and row["began"] <= at and row["outcome"] is None:
                later = [it["began"] for it in begun[row["run"]] if it["seq"] == row["seq"] and it["began"] > at]
                found += [(at, min(later) - at)] if later else []
    return found


def alone(evidence: Evidence) -> list[float]:
    """The take-overs, in seconds, while nothing else was struck: what a lease promises."""
    others = ("redis", "ledger", "relay")
    return [seconds for at, seconds in take_overs(evidence) if not evidence.overlap_s(at - 1, at + seconds, *others)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them (0 to 1) do not exceed; 0 of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


def i11_recovers_in_time(evidence: Evidence) -> Iterator[Finding]:
    """Runs end again soon after every fault, times of other faults not counted; and the dead are missed soon."""
    for fault, seconds in recoveries(evidence):
        over = fault["ended"] + seconds
        busy_s = evidence.overlap_s(fault["ended"], min(over, 1e12), "redis", "ledger", "model")
        if seconds - busy_s > RECOVERY_S:
            yield Finding("I11", f"{seconds:.1f} s from the end of {fault['kind']} until a run ended")
    if (late_s := percentile(alone(evidence), 0.99)) > TAKE_OVER_S:
        yield Finding("I11", f"{late_s:.1f} s (p99) until the work of a killed worker was taken over")


def i12_back_to_baseline(evidence: Evidence) -> Iterator[Finding]:
    """Streams and pending lists are empty, and Redis is as small as before but for the feed."""
    sizes = {row["when"]: row for row in evidence.sizes}
    if not {"before", "after"} <= sizes.keys():
        return
    before, after = sizes["before"], sizes["after"]
    for name, stream in after["streams"].items():
        if stream["length"] or stream["pending"]:
            yield Finding("I12", f"stream {name} has {stream['length']} entries, {stream['pending']} pending")
    more = after["used_bytes"] - after["feed_bytes"] - before["used_bytes"]
    if more > MORE_BYTES:
        yield Finding("I12", f"Redis holds {more} bytes more than before, without the feed")
    if after["key_count"] - before["key_count"] > MORE_KEYS:
        yield Finding("I12", f"there are {after['key_count']} keys, and {before['key_count']} before")
