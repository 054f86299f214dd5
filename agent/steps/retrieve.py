"""Looks for the passages that the answer may be made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.effects import Ask
from agent.events import Event, PassagesFound, RequestReceived, RunFailed
from agent.run import Run
from agent.steps.lookup import labelled, limit_of, look_up
from agent.steps.parts import Parts, Retrieval
from agent.steps.recall import recalled

WIDEST = 24
"""A search that is widened goes no further."""


@dataclass(frozen=True, slots=True)
class Retrieve:
    """The passages that fit the question best, named p1, p2, ... in that order."""

    retrieval: Retrieval

    @classmethod
    def of(cls, parts: Parts) -> Retrieve:
        return cls(parts.retrieval)

    async def __call__(self, event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
        facts, run = await recalled(run, ask)
        if any(isinstance(fact, RunFailed) for fact in facts):
            return facts
        return [*facts, await look_up(self.retrieval, run, ask, limit_of(self.retrieval, run.request))]

    async def more(self, run: Run, ask: Ask) -> PassagesFound | None:
        """What the run has found and new passages behind it, up to twice as many as were looked for the last time.

        The old ones keep their names and places. None if there are no others, if there are 24 already, or if nothing
        was looked for.
        """
        shown, limit = run.find(PassagesFound), self._limit_of(run)
        if shown is None or limit >= WIDEST:
            return None
        found = await look_up(self.retrieval, run, ask, min(2 * limit, WIDEST))
        known = {it.id for it in shown.passages}
        fresh = [it for it in found.passages if it.id not in known][:limit]
        if not fresh:
            return None
        return found.model_copy(update={"passages": labelled((*shown.passages, *fresh))})

    def _limit_of(self, run: Run) -> int:
        """How many passages the newest search of a run was to bring."""
        first = limit_of(self.retrieval, run.request)
        searches = sum(isinstance(event, PassagesFound) for event in run.events)
        return min(first << max(searches - 1, 0), max(first, WIDEST))
