"""What a client that asked for progress is told of a run's events: that they happened, and never a word of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agent.envelope import Envelope, index, unseal
from agent.events import (
    AnswerAccepted,
    AnswerDrafted,
    DraftRejected,
    RequestReceived,
    RunCancelled,
    RunFailed,
    VerdictGiven,
)

ASKED_BY = "cuelight.progress"
"""The value of `include` by which a request opts in: events that the specification does not have break some clients."""

_READ = index((AnswerDrafted, DraftRejected, AnswerAccepted))
_TOLD_OTHERWISE = {RequestReceived.type, RunFailed.type, RunCancelled.type}


def progress(events: Iterable[Envelope], version: int) -> Iterator[dict[str, Any]]:
    """One event for each thing that happened. `step` is its place in the run, from 2: the request itself is the first.

    The verdicts of single checks are told together with what came of the draft; only version 1 tells each as a step.

    Raises:
        Unfamiliar: a newer release wrote an event.
        Undecodable: an event is not what its type promises.
    """
    for envelope in events:
        kind = envelope.sealed.type
        if kind not in _TOLD_OTHERWISE and not (version > 1 and kind == VerdictGiven.type):
            yield _told(envelope)


def _told(envelope: Envelope) -> dict[str, Any]:
    place = {"step": envelope.key.seq, "event": envelope.sealed.type}
    if envelope.sealed.type not in _READ:
        return {"type": "cuelight:step", **place}
    match unseal(envelope.sealed, _READ):
        case AnswerDrafted(repairs=repairs):
            return {"type": "cuelight:attempt", **place, "attempt": repairs + 1}
        case DraftRejected(repairs=repairs, problems=problems):
            checks = sorted({problem.check for problem in problems})
            return {
                "type": "cuelight:verdict",
                **place,
                "attempt": repairs + 1,
                "verdict": "rejected",
                "checks": checks,
            }
        case AnswerAccepted(repairs=repairs, checks=passed):
            checks = list(passed)
            return {
                "type": "cuelight:verdict",
                **place,
                "attempt": repairs + 1,
                "verdict": "accepted",
                "checks": checks,
            }
        case other:
            raise AssertionError(f"{other.type} is read and not told")
