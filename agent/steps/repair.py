"""Has a draft that did not hold written again: by the same model, told what is wrong, then by the next of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.checks.draft import is_grounding
from agent.checks.judging import name_of
from agent.effects import Ask
from agent.events import AnswerDrafted, DraftRejected, Event, ModelsPassedOver, PassagesFound, RunFailed
from agent.prompting import Prompt, repairing
from agent.request import Message
from agent.run import Run
from agent.steps.generate import Drafting, fence_of
from agent.steps.parts import Parts
from agent.steps.retrieve import Retrieve
from agent.steps.stage import Stage


@dataclass(frozen=True, slots=True)
class Repair:
    """Another draft, or the end.

    The model that wrote the draft is told its problems, at most `repairs` times, and not again once they came back
    just as they were. Before that, problems that `grounding` checks found widen the search. Then the next model of the
    chain begins anew, without the bad draft. After the last one the run fails. No repairs: the first draft is the last.
    """

    drafting: Drafting
    repairs: int
    retrieve: Retrieve | None = None
    grounding: frozenset[str] = frozenset()

    @classmethod
    def of(cls, parts: Parts) -> Repair:
        grounding = frozenset(name_of(check) for check in parts.checks if is_grounding(check))
        return cls(Drafting.of(parts), parts.budget.repairs, Retrieve.of(parts), grounding)

    async def __call__(self, event: DraftRejected, run: Run, ask: Ask, /) -> Sequence[Event]:
        stage = Stage.of(run, self.drafting.chain(run))
        if self.repairs == 0 or not stage.models:
            return [no_valid_answer(event)]
        if stage.turns(event) < self.repairs and not stage.repeats(event):
            return await self._told_back(event, run, ask, stage)
        if stage.ahead:
            return await self._anew(event, run, ask, stage)
        return [no_valid_answer(event)]

    async def _told_back(self, event: DraftRejected, run: Run, ask: Ask, stage: Stage) -> Sequence[Event]:
        """The draft and its problems go to the model that wrote it; another one begins anew if that does not answer."""
        draft = run.last(AnswerDrafted)

        def onwards(prompt: Prompt, opened: tuple[Message, ...], model: str) -> tuple[Message, ...]:
            if not stage.wrote(model):
                return opened
            schema = run.request.text.format.json_schema
            return repairing(opened, prompt, draft.draft, event.problems, fence_of(run), draft.calls, schema)

        more = await self._more(event, run, ask)
        if more is not None:
            wider = replace(run, events=(*run.events, more))
            drafted = await self.drafting.drafted(wider, ask, event.repairs + 1, onwards, stage.asked)
            if isinstance(drafted, AnswerDrafted):  # else so many passages were too much for the model
                return [more, drafted]
        return [await self.drafting.drafted(run, ask, event.repairs + 1, onwards, stage.asked)]

    async def _more(self, event: DraftRejected, run: Run, ask: Ask) -> PassagesFound | None:
        if self.retrieve is None or self.grounding.isdisjoint(problem.check for problem in event.problems):
            return None
        return await self.retrieve.more(run, ask)

    async def _anew(self, event: DraftRejected, run: Run, ask: Ask, stage: Stage) -> Sequence[Event]:
        """A draft of the models that were not asked yet, as if it were the first."""
        passed = ModelsPassedOver(models=stage.done, repairs=event.repairs)
        return [passed, await self.drafting.drafted(run, ask, event.repairs + 1, models=stage.ahead)]


def no_valid_answer(event: DraftRejected) -> RunFailed:
    """The ending without an answer. It names checks only: a problem's words may quote the draft."""
    checks = ", ".join(dict.fromkeys(problem.check for problem in event.problems))
    times = "1 repair" if event.repairs == 1 else f"{event.repairs} repairs"
    return RunFailed(
        code="no_valid_answer",
        message=f"The answer did not pass its checks after {times}: {checks}.",
        repairs=event.repairs,
    )
