"""How far a run has come down its chain of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.events import AnswerDrafted, DraftRejected, Event, ModelsPassedOver
from agent.run import Run


@dataclass(frozen=True, slots=True)
class Stage:
    """The time since the last models were passed over.

    `models` are those that are left of the chain; `events` what has happened since; `began` the number of repairs that
    its first draft came after. `writer` wrote the newest draft; None if an endpoint gave its model a name that none of
    the chain has.
    """

    models: tuple[str, ...]
    events: tuple[Event, ...]
    began: int
    writer: str | None

    @classmethod
    def of(cls, run: Run, chain: Sequence[str]) -> Stage:
        passed = {place: event for place, event in enumerate(run.events) if isinstance(event, ModelsPassedOver)}
        gone = {model for event in passed.values() for model in event.models}
        models = tuple(model for model in chain if model not in gone)
        place, last = max(passed.items(), default=(-1, None), key=lambda pair: pair[0])
        began = 0 if last is None else last.repairs + 1
        return cls(models, run.events[place + 1 :], began, _writer(run.last(AnswerDrafted), models))

    def turns(self, event: DraftRejected) -> int:
        """How many repairs of this stage led to the draft that was rejected."""
        return event.repairs - self.began

    def repeats(self, event: DraftRejected) -> bool:
        """Whether the draft before, of this stage as well, had the very same problems."""
        before = [it for it in self.events if isinstance(it, DraftRejected) and it.repairs == event.repairs - 1]
        return any(_said(it) == _said(event) for it in before)

    def wrote(self, model: str) -> bool:
        """Whether the newest draft is, or may be, this model's."""
        return self.writer in (None, model)

    @property
    def asked(self) -> tuple[str, ...]:
        """The models to ask about the newest draft: the one that wrote it, then those behind it."""
        return self.models[self._place :]

    @property
    def done(self) -> tuple[str, ...]:
        """The models up to the one that wrote the newest draft."""
        return self.models[: self._place + 1]

    @property
    def ahead(self) -> tuple[str, ...]:
        """The models behind it."""
        return self.models[self._place + 1 :]

    @property
    def _place(self) -> int:
        return 0 if self.writer is None else self.models.index(self.writer)


def _writer(draft: AnswerDrafted, models: Sequence[str]) -> str | None:
    """Endpoints report other names than they are asked by: with a date behind, or a vendor in front."""
    if draft.model in models:
        return draft.model
    alike = [model for model in models if model in draft.model]
    return max(alike, key=len, default=None)


def _said(event: DraftRejected) -> set[tuple[str, str]]:
    return {(problem.check, problem.message) for problem in event.problems}
