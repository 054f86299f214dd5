"""Reads a draft and judges it. What passes becomes the answer; of the rest no word leaves the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from agent.beside import beside
from agent.checks import CitedAnswer, cite
from agent.checks.calling import (
    ARGUMENTS_ARE_VALID,
    CALLS_ARE_ALLOWED,
    MOST_CALLS,
    argument_problems,
    judge_calls,
)
from agent.checks.draft import Check, Draft
from agent.checks.judging import name_of, problems_of, verdict, verdicts
from agent.checks.mending import Mended
from agent.checks.output import Output, read_output
from agent.checks.structured import structured
from agent.effects import Ask
from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, Event, RunFailed, ToolsRequested, VerdictGiven
from agent.items import FunctionTool
from agent.prompting import PromptBook, shortened
from agent.prompting.prompt import HEADER
from agent.request import Request
from agent.run import Run
from agent.steps.generate import passages_of
from agent.steps.mend import mended
from agent.steps.parts import Parts
from agent.tools import Offer, Toolbox, results_of, rounds_of

UNREADABLE = "output_is_valid"
"""The check that a draft fails which cannot be read as the agent's output at all."""
MOST_S = 10.0
"""For reading and checking a draft. The checks that ship take milliseconds; an author's may hang."""


@dataclass(frozen=True, slots=True)
class Validate:
    """All checks must pass. A check that raises is a bug, not a problem of the draft, and is treated as one."""

    checks: tuple[Check, ...]
    output: Output | None
    no_answer_text: str
    tools: Toolbox = field(default_factory=Toolbox)
    prompt: str = ""
    book: PromptBook | None = None

    @classmethod
    def of(cls, parts: Parts) -> Validate:
        return cls(parts.checks, parts.output, parts.no_answer_text, parts.tools, parts.prompt, parts.book)

    async def __call__(self, event: AnswerDrafted, run: Run, ask: Ask, /) -> Sequence[Event]:
        if event.finish_reason in ("refusal", "content_filter"):
            return [declined(event)]
        offer = self.tools.offer(run)
        event, silent = whole(event, offer.tools), bool(event.calls)
        given = self._verdicts_on_calls(event, run, offer)
        if not _passed(given):
            return rejected(given, event)
        if mine := self.tools.mine(event.calls):
            return [*given, ToolsRequested(calls=mine, round=1 + rounds_of(run))]
        if is_cut_short(event, run.request):
            return [*given, cut_short(event)]
        judging = partial(self._judged, event, run, await self._mended(event, run), given, silent)
        return await beside(judging, most_s=MOST_S, what="the checks of a draft")

    def _judged(
        self, event: AnswerDrafted, run: Run, text: Mended, given: list[VerdictGiven], silent: bool
    ) -> Sequence[Event]:
        """What becomes of a draft whose calls are in order. It runs code of the agent's author: beside the loop."""
        draft = self._read(event.model_copy(update={"draft": text.text}), run)
        if isinstance(draft, VerdictGiven):
            return rejected([*given, draft], event)
        draft = replace(draft, raw=event.draft, mends=text.mends)
        given = [*given, *self._judge(draft, silent, event.repairs)]
        return [*given, self._accept(draft, event)] if _passed(given) else rejected(given, event)

    def _verdicts_on_calls(self, event: AnswerDrafted, run: Run, offer: Offer) -> list[VerdictGiven]:
        """Of the client's functions an agent with a form of its own offers none: the door lets none in."""
        most = self.tools.most(run) if self.tools.mine(event.calls) else most_calls(run.request)
        cut_off = event.finish_reason == "length"
        problems = judge_calls(event.calls, offer.tools, offer.choice, most=most, cut_off=cut_off)
        problems = problems or [*self.tools.problems(event.calls)]
        asked = (CALLS_ARE_ALLOWED, ARGUMENTS_ARE_VALID) if event.calls else ()
        named = dict.fromkeys([*asked, *(problem.check for problem in problems)])
        return [verdict(name, (it.message for it in problems if it.check == name), event.repairs) for name in named]

    async def _mended(self, event: AnswerDrafted, run: Run) -> Mended:
        """The draft's words; what is to be JSON and is not quite is mended before, and marked."""
        is_plain = self.output is None and run.request.text.format.type == "text"
        return Mended(event.draft) if is_plain else await mended(event)

    def _read(self, event: AnswerDrafted, run: Run) -> Draft | VerdictGiven:
        """The draft in its parts, or why it cannot be taken apart. Plain text needs no reading, even if it was cut."""
        draft = partial(
            Draft,
            raw=event.draft,
            request=run.request,
            passages=passages_of(run),
            results=tuple(results_of(run)),
            told=self._told(run),
        )
        if self.output is None:
            said = formed(event, run.request)
            if isinstance(said, list):
                return verdict(UNREADABLE, said, event.repairs)
            return draft(answer=said, calls=event.calls)
        read = read_output(event.draft, event.finish_reason, self.output)
        if isinstance(read, list):
            return verdict(UNREADABLE, read, event.repairs)
        answer, value = read
        if not isinstance(value, CitedAnswer):
            return draft(answer=answer, value=value)
        return draft(answer=value.answer, citations=value.cited(), no_answer=value.no_answer, value=value)

    def _told(self, run: Run) -> str:
        """What the agent's author wrote for the model. Raises `Unfamiliar` if the run's version is not here."""
        version = run.prompts.get(self.prompt)
        if self.book is None or version is None:
            return ""
        sources = self.book.get(self.prompt, version).sources
        return "\n\n".join(text for name, text in sources.items() if name != HEADER)

    def _judge(self, draft: Draft, silent: bool, repairs: int) -> list[VerdictGiven]:
        """What can be read has the form that was asked for: that is a verdict too."""
        formal = self.output is not None or draft.request.text.format.type != "text"
        read = [verdict(UNREADABLE, (), repairs)] if formal else []
        if silent and not draft.answer.strip():
            return read  # a model that calls need not say anything, and its calls are judged before
        return [*read, *verdicts(self.checks, draft, repairs)]

    def _accept(self, draft: Draft, event: AnswerDrafted) -> AnswerAccepted:
        # What a model says when it has no answer rests on no passage, so the client gets the agent's own words.
        return AnswerAccepted(
            text=self.no_answer_text if draft.no_answer else draft.answer,
            citations=() if draft.no_answer else cite(draft),
            no_answer=draft.no_answer,
            incomplete="max_output_tokens" if event.finish_reason == "length" else None,
            checks=(*_forms(draft.request), *(name_of(check) for check in self.checks)),
            model=event.model,
            offline=event.offline,
            repairs=event.repairs,
            mends=draft.mends,
            calls=draft.calls,
            logprobs=event.logprobs if draft.answer == event.draft else "",
        )


def rejected(given: Sequence[VerdictGiven], event: AnswerDrafted) -> Sequence[Event]:
    """The verdicts on a draft, and that it does not hold."""
    return [*given, DraftRejected(problems=shortened(tuple(problems_of(given))), repairs=event.repairs)]


def _passed(given: Sequence[VerdictGiven]) -> bool:
    return all(it.passed for it in given)


def formed(event: AnswerDrafted, request: Request) -> str | list[str]:
    """What a draft says in the form that the client asked for, or what is wrong with it.

    Beside calls there is no answer yet: what is said there in another form is left out.
    """
    if request.text.format.type == "text":
        return event.draft
    said = structured(event.draft, event.finish_reason, request.text.format)
    return "" if event.calls and isinstance(said, list) else said


def is_cut_short(event: AnswerDrafted, request: Request) -> bool:
    """Whether the token limit cut off an answer that is only one as a whole."""
    if event.finish_reason != "length" or request.text.format.type == "text":
        return False
    return isinstance(structured(event.draft, event.finish_reason, request.text.format), list)


def cut_short(event: AnswerDrafted) -> AnswerAccepted:
    """The ending without a word of what was cut off: half of it cannot be checked, and more would not fit either."""
    return AnswerAccepted(
        text="",
        incomplete="max_output_tokens",
        model=event.model,
        offline=event.offline,
        repairs=event.repairs,
        calls=event.calls,
    )


def _forms(request: Request) -> Sequence[str]:
    return () if request.text.format.type == "text" else (UNREADABLE,)


def most_calls(request: Request) -> int:
    """How many calls one reply may make."""
    limits = (MOST_CALLS, request.max_tool_calls, None if request.parallel_tool_calls else 1)
    return min(limit for limit in limits if limit is not None)


def whole(event: AnswerDrafted, tools: Sequence[FunctionTool]) -> AnswerDrafted:
    """The draft without the call that the token limit cut off: what is left is judged as any other.

    Only the last call can have been cut; a client must not be handed half of one.
    """
    if event.finish_reason != "length" or not event.calls:
        return event
    last = event.calls[-1]
    tool = next((tool for tool in tools if tool.name == last.name), None)
    broken = tool is None or bool(argument_problems(last, tool))
    return event.model_copy(update={"calls": event.calls[:-1]}) if broken else event


def declined(event: AnswerDrafted) -> RunFailed:
    """The ending when the model refused: to ask again would pay twice for the same refusal."""
    return RunFailed(code="refused", message="The model declined to answer this request.", repairs=event.repairs)
