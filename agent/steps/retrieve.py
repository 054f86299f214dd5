"""Looks for the passages that the answer may be made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.effects import Ask, Search
from agent.events import Event, PassagesFound, RequestReceived, RunFailed
from agent.request import question_of
from agent.run import Run
from agent.steps.parts import Parts
from agent.steps.recall import conversation_of, recalled


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
        query = question_of(conversation_of(run))
        found = await ask(Search(collection=self.collection, query=query, limit=self.limit))
        labelled = (it.model_copy(update={"label": f"p{n}"}) for n, it in enumerate(found.passages, start=1))
        return [
            *facts,
            PassagesFound(
                query=query,
                collection=self.collection,
                index_version=found.index_version,
                passages=tuple(labelled),
            ),
        ]
