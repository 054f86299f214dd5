"""Reads a draft and judges it. What passes becomes the answer; of the rest no word leaves the service."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from agent.checks import CitedAnswer, cite, parse
from agent.checks.draft import Check, Draft
from agent.effects import Ask
from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, Event, Problem, RunFailed
from agent.prompting import shortened
from agent.run import Run
from agent.steps.generate import passages_of
from agent.steps.parts import Parts

UNREADABLE = "output_is_valid"
"""The check that a draft fails which cannot be read as the agent's output at all."""


@dataclass(frozen=True, slots=True)
class Validate:
    """All checks must pass. A check that raises is a bug, not a problem of the draft, and is treated as one."""

    checks: tuple[Check, ...]
    output: type[BaseModel] | None
    no_answer_text: str

    @classmethod
    def of(cls, parts: Parts) -> Validate:
        return cls(parts.checks, parts.output, parts.no_answer_text)

    async def __call__(self, event: AnswerDrafted, run: Run, ask: Ask, /) -> Sequence[Event]:
        if event.finish_reason in ("refusal", "content_filter"):
            return [declined(event)]
        draft = self._read(event, run)
        problems = self._judge(draft) if isinstance(draft, Draft) else draft
        if problems or not isinstance(draft, Draft):
            return [DraftRejected(problems=shortened(problems), repairs=event.repairs)]
        return [self._accept(draft, event)]

    def _read(self, event: AnswerDrafted, run: Run) -> Draft | list[Problem]:
        """The draft in its parts, or why it cannot be taken apart. Plain text needs no reading, even if it was cut."""
        passages = passages_of(run)
        if self.output is None:
            return Draft(raw=event.draft, answer=event.draft, request=run.request, passages=passages)
        value = parse(event.draft, event.finish_reason, self.output)
        if isinstance(value, list):
            return [Problem(check=UNREADABLE, message=message) for message in value]
        if not isinstance(value, CitedAnswer):
            answer = value.model_dump_json()
            return Draft(raw=event.draft, answer=answer, request=run.request, passages=passages, value=value)
        return Draft(
            raw=event.draft,
            answer=value.answer,
            request=run.request,
            passages=passages,
            citations=value.cited(),
            no_answer=value.no_answer,
            value=value,
        )

    def _judge(self, draft: Draft) -> list[Problem]:
        return [Problem(check=name_of(check), message=message) for check in self.checks for message in check(draft)]

    def _accept(self, draft: Draft, event: AnswerDrafted) -> AnswerAccepted:
        # What a model says when it has no answer rests on no passage, so the client gets the agent's own words.
        return AnswerAccepted(
            text=self.no_answer_text if draft.no_answer else draft.answer,
            citations=() if draft.no_answer else cite(draft),
            no_answer=draft.no_answer,
            incomplete="max_output_tokens" if event.finish_reason == "length" else None,
            checks=tuple(name_of(check) for check in self.checks),
            model=event.model,
            offline=event.offline,
            repairs=event.repairs,
        )


def declined(event: AnswerDrafted) -> RunFailed:
    """The ending when the model refused: to ask again would pay twice for the same refusal."""
    return RunFailed(code="refused", message="The model declined to answer this request.", repairs=event.repairs)


def name_of(check: Check) -> str:
    """A check's name in events and messages: its function's, also under `functools.partial`."""
    if isinstance(check, functools.partial):
        return name_of(check.func)
    return getattr(check, "__name__", type(check).__name__)
