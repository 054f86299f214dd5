"""What the checks said of a run's drafts, for a client that asked for it: names, numbers and places, and no word.

The verdicts are events of the run, so whoever reads a run for a client adds them to it, where they are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeGuard

import orjson

from agent.envelope import Envelope, index, unseal
from agent.events import AnswerAccepted, Event, Evidence, VerdictGiven
from agent.ports import RunView, Shelf
from api.patience import PatientShelf

ASKED_BY = "cuelight.verdicts"
"""The value of `include` by which a client opts in."""

MOST_CHARS = 512
"""Of a value of metadata, as OpenAI's API has it."""
MOST_EVIDENCE = 64

_READ = index((VerdictGiven,))


async def with_verdicts(view: RunView, shelf: Shelf) -> RunView:
    """The run with the verdicts on its drafts, if it has ended and its request wants them. Raises `Transient`."""
    if view.verdicts or view.status == "in_progress" or f'"{ASKED_BY}"' not in view.request:
        return view
    events = await shelf.happened(view.id, view.generation)
    return replace(view, verdicts=tuple(it for it in events if it.sealed.type == VerdictGiven.type))


def facts(given: Sequence[Envelope], ending: Event) -> Mapping[str, str]:
    """For metadata: `verdicts.N` for the Nth draft, and `evidence.N` for each place that the accepted one stands on."""
    drafts: dict[int, list[VerdictGiven]] = {}
    for verdict in (unseal(envelope.sealed, _READ) for envelope in given):
        if isinstance(verdict, VerdictGiven):
            drafts.setdefault(verdict.repairs, []).append(verdict)
    told = {f"verdicts.{repairs + 1}": _counts(it) for repairs, it in sorted(drafts.items())}
    return {**told, **(_evidence(drafts.get(ending.repairs, ())) if _is_shown(ending) else {})}


def _is_shown(ending: Event) -> TypeGuard[AnswerAccepted]:
    """Whether the client reads the last draft itself: places in another one would tell it nothing."""
    return isinstance(ending, AnswerAccepted) and not ending.no_answer


def _counts(given: Sequence[VerdictGiven]) -> str:
    """By check how many problems it found, as JSON; where that is too long, checks that were passed are left out."""
    failed_first = sorted(given, key=lambda it: it.passed)
    kept = [it for count, it in enumerate(failed_first, start=1) if len(_dump(failed_first[:count])) <= MOST_CHARS]
    return _dump([it for it in given if it in kept])


def _dump(given: Sequence[VerdictGiven]) -> str:
    return orjson.dumps({it.check: len(it.problems) for it in given}).decode()


def _evidence(given: Sequence[VerdictGiven]) -> Mapping[str, str]:
    every = [(it.check, evidence) for it in given for evidence in it.evidence]
    return {f"evidence.{number}": _place(*one) for number, one in enumerate(every[:MOST_EVIDENCE], start=1)}


def _place(check: str, evidence: Evidence) -> str:
    told = {"check": check, **evidence.model_dump(exclude_none=True)}
    return orjson.dumps(told).decode()[:MOST_CHARS]


class TellingShelf(PatientShelf):
    """A shelf that brings ended runs with the verdicts that their requests want."""

    async def view(self, run: str, project: str, /) -> RunView | None:
        view = await super().view(run, project)
        return None if view is None else await with_verdicts(view, self)
