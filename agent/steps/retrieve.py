"""Looks for the passages that the answer may be made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.effects import Ask, Search
from agent.events import Event, Passage, PassagesFound, RequestReceived, RunFailed
from agent.request import question_of
from agent.run import Run
from agent.steps.parts import Parts
from agent.steps.recall import conversation_of, recalled

MOST_PASSAGES = 24
"""A search that is widened goes no further."""


@dataclass(frozen=True, slots=True)
class Retrieve:
    """The `limit` passages of `collection` that fit the question best, named p1, p2, ... in that order."""

    collection: str
    limit: int

    @classmethod
    def of(cls, parts: Parts) -> Retrieve:
        return cls(parts.retrieval.collection, parts.retrieval.limit)

    async def __call__(self, event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
        facts, run = await recalled(run, ask)
        if any(isinstance(fact, RunFailed) for fact in facts):
            return facts
        return [*facts, await self._searched(run, ask, self.limit)]

    async def more(self, run: Run, ask: Ask) -> PassagesFound | None:
        """What the run has found and new passages behind it, up to twice as many as were looked for the last time.

        The old ones keep their names and places. None if there are no others, if there are 24 already, or if nothing
        was looked for.
        """
        shown, limit = run.find(PassagesFound), self._limit_of(run)
        if shown is None or limit >= MOST_PASSAGES:
            return None
        found = await self._searched(run, ask, min(2 * limit, MOST_PASSAGES))
        known = {it.id for it in shown.passages}
        fresh = [it for it in found.passages if it.id not in known][:limit]
        if not fresh:
            return None
        return found.model_copy(update={"passages": _labelled((*shown.passages, *fresh))})

    def _limit_of(self, run: Run) -> int:
        """How many passages the newest search of a run was to bring."""
        searches = sum(isinstance(event, PassagesFound) for event in run.events)
        return min(self.limit << max(searches - 1, 0), max(self.limit, MOST_PASSAGES))

    async def _searched(self, run: Run, ask: Ask, limit: int) -> PassagesFound:
        query = question_of(conversation_of(run))
        found = await ask(Search(collection=self.collection, query=query, limit=limit))
        return PassagesFound(
            query=query,
            collection=self.collection,
            index_version=found.index_version,
            passages=_labelled(found.passages),
        )


def _labelled(passages: Sequence[Passage]) -> tuple[Passage, ...]:
    return tuple(it.model_copy(update={"label": f"p{n}"}) for n, it in enumerate(passages, start=1))
