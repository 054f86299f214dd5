"""Where a fork begins: at a step of the run, with everything before it as it was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.cases import Case
from agent.definition import BoundAgent
from agent.envelope import Envelope, Key, unseal
from agent.errors import AgentError, Misconfigured
from agent.ports import Pointer
from agent.testing.replaying.past import Past
from agent.testing.replaying.twin import Unhurried
from agent.testing.rows import WorkRow


@dataclass(frozen=True, slots=True)
class Step:
    """The step that took the event of this number."""

    seq: int

    @classmethod
    def of(cls, words: str, case: Case) -> Step:
        """By the number of its event, as `cuelight show` tells it, or by its route: the first time that it was taken.

        Raises `Misconfigured` naming the steps of the run.
        """
        taken = _taken(case)
        for seq, route in taken.items():
            if words in (str(seq), route):
                return cls(seq)
        listed = ", ".join(f"{seq} ({route})" for seq, route in taken.items())
        raise Misconfigured(f"the run has no step {words[:80]!r}; there is {listed or 'none'}")


def stand(ledger: Unhurried, past: Past, case: Case, bound: BoundAgent, step: Step) -> None:
    """Let the run stand at a step: what happened and was asked before is on record. Raises `Misconfigured`."""
    run, before = case.run, [it for it in case.attempts if it.seq < step.seq]
    events = [it for it in case.events if it.seq <= step.seq]
    route = _route(case, bound, step)
    began = next((it.began_at for it in case.attempts if it.seq == step.seq), events[-1].at)
    ledger.events[run.id] = [Envelope(Key(run.id, 1, it.seq), it.sealed(run.trace), it.at) for it in events]
    for place, attempt in enumerate(before):
        ledger.lose(run.id, 1, attempt, f"before-{place}")
    past.pass_over(before)
    ledger.clock.advance_to(began)
    pointer = Pointer(run.id, 1, step.seq, route, 1, run.project)
    ledger.work[run.id] = WorkRow(pointer, began, begins=len(before))


def _taken(case: Case) -> Mapping[int, str]:
    """The events that steps took, each with its route."""
    return dict(sorted((it.seq, it.route) for it in case.attempts))


def _route(case: Case, bound: BoundAgent, step: Step) -> str:
    """Where the agent of now takes the event."""
    event = next(it for it in case.events if it.seq == step.seq)
    try:
        return bound.router.route(unseal(event.sealed(case.run.trace), bound.catalogue)).name
    except AgentError as error:
        raise Misconfigured(f"agent {bound.name!r} cannot begin with event {step.seq}, {event.type}: {error}") from None
