"""What became of a run, as far as an evaluation wants to know."""

from __future__ import annotations

from collections.abc import Sequence

from agent.envelope import Envelope, index, unseal
from agent.errors import AgentError
from agent.evaluation.scoring import Ran
from agent.events import ENDINGS, AnswerAccepted, Event, Passage, PassagesFound, RunFailed
from agent.ports import RunView

DELETED = "deleted"
_TYPES = index([*ENDINGS, PassagesFound])


def ran_of(view: RunView, events: Sequence[Envelope]) -> Ran:
    """A run with the events of its generation, oldest first. One whose texts are gone has no answer any more."""
    ending = None if view.deleted or not events else _read(events[-1])
    answer = ending if isinstance(ending, AnswerAccepted) else None
    return Ran(
        run=view.id,
        status=view.status,
        answer=answer,
        code="" if answer else _code(view, ending),
        passages=_passages(events) if answer else (),
        repairs=ending.repairs if isinstance(ending, AnswerAccepted | RunFailed) else 0,
        calls=view.calls,
        input_tokens=view.usage.input_tokens,
        output_tokens=view.usage.output_tokens,
        cost_usd=view.cost_usd,
        took=None if view.ended_at is None else view.ended_at - view.created_at,
    )


def _code(view: RunView, ending: Event | None) -> str:
    if view.deleted:
        return DELETED
    return ending.code if isinstance(ending, RunFailed) else view.status


def _passages(events: Sequence[Envelope]) -> tuple[Passage, ...]:
    """What the last draft was made from."""
    found = next((_read(it) for it in reversed(events) if it.sealed.type == PassagesFound.type), None)
    return found.passages if isinstance(found, PassagesFound) else ()


def _read(envelope: Envelope) -> Event | None:
    """None if this release cannot read it, or if it belongs to an agent of somebody's own."""
    try:
        return unseal(envelope.sealed, _TYPES)
    except AgentError:
        return None
