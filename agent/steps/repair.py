"""Tells the model what is wrong with its draft and has it written again, a limited number of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.effects import Ask
from agent.events import AnswerDrafted, DraftRejected, Event, RunFailed
from agent.prompting import Prompt, repairing
from agent.request import Message
from agent.run import Run
from agent.steps.generate import Drafting, fence_of
from agent.steps.parts import Parts


@dataclass(frozen=True, slots=True)
class Repair:
    """Another draft, at most `repairs` times, and none once a repair brought back the very same problems."""

    drafting: Drafting
    repairs: int

    @classmethod
    def of(cls, parts: Parts) -> Repair:
        return cls(Drafting.of(parts), parts.budget.repairs)

    async def __call__(self, event: DraftRejected, run: Run, ask: Ask, /) -> Sequence[Event]:
        if event.repairs >= self.repairs or _nothing_changed(event, run):
            return [no_valid_answer(event)]
        draft = run.last(AnswerDrafted)

        def onwards(prompt: Prompt, opened: tuple[Message, ...]) -> tuple[Message, ...]:
            schema = run.request.text.format.json_schema
            return repairing(opened, prompt, draft.draft, event.problems, fence_of(run), draft.calls, schema)

        return [await self.drafting.drafted(run, ask, event.repairs + 1, onwards)]


def no_valid_answer(event: DraftRejected) -> RunFailed:
    """The ending without an answer. It names checks only: a problem's words may quote the draft."""
    checks = ", ".join(dict.fromkeys(problem.check for problem in event.problems))
    times = "1 repair" if event.repairs == 1 else f"{event.repairs} repairs"
    return RunFailed(
        code="no_valid_answer",
        message=f"The answer did not pass its checks after {times}: {checks}.",
        repairs=event.repairs,
    )


def _nothing_changed(event: DraftRejected, run: Run) -> bool:
    earlier = [it for it in run.events if isinstance(it, DraftRejected) and it.repairs == event.repairs - 1]
    return any(set(it.problems) == set(event.problems) for it in earlier)
