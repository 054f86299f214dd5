"""What a storm of 429s did, told from the model's own log: who called when, and who should not have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the model saw it, in seconds of its own clock. `wait_s` is what it was told to wait, if it was."""

    at: float
    ended: float
    run: str
    wait_s: float | None = None
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """From the moment that the first Retry-After went out until the last one that came meanwhile was over."""

    begins: float
    ends: float


def calls_of(log: Iterable[Mapping[str, Any]], wait_s: float) -> list[Call]:
    """The calls that were answered or turned away, oldest first."""
    return [
        Call(it["at"], it["ended_at"], it["run"] or "", wait_s if it["status"] == 429 else None)
        for it in log
        if it["ended_at"] is not None
    ]


def pauses_of(calls: Iterable[Call]) -> list[Pause]:
    """When nobody should have called."""
    found: list[Pause] = []
    for call in sorted(calls, key=lambda call: call.ended):
        if call.wait_s is None:
            continue
        ends = call.ended + call.wait_s
        if found and call.ended < found[-1].ends:
            found[-1] = Pause(found[-1].begins, max(found[-1].ends, ends))
        else:
            found.append(Pause(call.ended, ends))
    return found


def during(calls: Iterable[Call], pauses: Sequence[Pause], grace_s: float) -> list[Call]:
    """The calls that came during a pause, later than `grace_s` after it began."""
    return [call for call in calls if any(it.begins + grace_s < call.at < it.ends for it in pauses)]


def slowest_to_pause_s(calls: Iterable[Call], first: Pause) -> Mapping[str, float]:
    """By worker: how long after the first Retry-After its last call came; 0 if none did."""
    last: defaultdict[str, float] = defaultdict(float)
    for call in calls:
        last[call.worker] = max(last[call.worker], call.at - first.begins if call.at < first.ends else 0.0)
    return last


def full_rate_at(calls: Iterable[Call], since: float, rate: float) -> float | None:
    """The end of the first second after `since` in which as many calls as usual were answered."""
    ends = sorted(call.ended for call in calls if call.wait_s is None and call.ended >= since)
    for number, end in enumerate(ends):
        if number + 1 >= rate and end - ends[number + 1 - int(rate)] <= 1.0:
            return end
    return None
