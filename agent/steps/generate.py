"""Has an answer drafted. What the model says is kept as it is: reading and judging it is for the next step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from agent.effects import Ask, CallModel, ModelAnswer
from agent.errors import Held, Overloaded, Permanent, Transient, Unfamiliar
from agent.events import AnswerDrafted, Event, Passage, PassagesFound, RequestReceived, RunFailed, ToolsAnswered
from agent.failures import OF_ANSWERS, follows
from agent.outcome import RATE_LIMITED, TOO_LONG, failure_of
from agent.prompting import Fence, Prompt, PromptBook, opening
from agent.request import Message, question_of
from agent.run import Run
from agent.steps.parts import Parts
from agent.steps.recall import conversation_of, recalled, request_of, versions_of
from agent.steps.stage import Stage
from agent.tools import Toolbox

Onwards = Callable[[Prompt, tuple[Message, ...], str], tuple[Message, ...]]
"""What a call is asked with, given its prompt, how every call of the run begins, and the model."""


def opening_alone(prompt: Prompt, opened: tuple[Message, ...], model: str) -> tuple[Message, ...]:
    """The question as it is first asked."""
    return opened


@dataclass(frozen=True, slots=True)
class Drafting:
    """How a draft is asked for: with the prompt that the run started with, from the first model that answers."""

    prompt: str
    book: PromptBook
    models: tuple[str, ...]
    max_output_tokens: int
    output_schema: str | None = None
    tools: Toolbox = field(default_factory=Toolbox)
    fallback: frozenset[str] = frozenset()
    """Classes of answers that the next model is to better, if there is one."""

    @classmethod
    def of(cls, parts: Parts) -> Drafting:
        limit, fallback = parts.budget.max_output_tokens, frozenset(parts.fallback)
        return cls(parts.prompt, parts.book, parts.models, limit, parts.output_schema, parts.tools, fallback)

    def prompt_of(self, run: Run) -> Prompt:
        """The version this run keeps. Raises `Unfamiliar` if it is not here."""
        version = run.prompts.get(self.prompt)
        if version is None:
            raise Unfamiliar(f"run {run.id} started without a prompt {self.prompt!r}")
        return self.book.get(self.prompt, version)

    def chain(self, run: Run) -> tuple[str, ...]:
        """The models that a run may ask, the first choice first."""
        return run.request.models or self.models

    async def drafted(
        self,
        run: Run,
        ask: Ask,
        repairs: int = 0,
        onwards: Onwards = opening_alone,
        models: Sequence[str] | None = None,
    ) -> AnswerDrafted | RunFailed:
        """The draft that a model wrote after `onwards` said what follows the opening; an ending if it is too long.

        The first of `models` that answers; by default of the whole chain.
        """
        prompt = self.prompt_of(run)
        try:
            answer = await self._answer(prompt, run, ask, onwards, self.chain(run) if models is None else models)
        except Permanent as error:
            if error.kind != TOO_LONG:
                raise
            return failure_of(TOO_LONG, repairs)
        return drafted(answer, prompt, repairs)

    async def _answer(self, prompt: Prompt, run: Run, ask: Ask, onwards: Onwards, models: Sequence[str]) -> ModelAnswer:
        """The answer to the longest version of the conversation that a model can take."""
        failed = Permanent("there is no conversation", kind=TOO_LONG)
        for conversation in versions_of(run):
            parts = (prompt, request_of(run), passages_of(run), fence_of(run), conversation, self.output_schema)
            opened = opening(*parts, callable_too=bool(self.tools.tools))
            try:
                return await self.draft(prompt, run, ask, partial(onwards, prompt, opened), models)
            except Permanent as error:
                if error.kind != TOO_LONG:
                    raise
                failed = error
        raise failed

    async def draft(
        self, prompt: Prompt, run: Run, ask: Ask, told: Callable[[str], tuple[Message, ...]], models: Sequence[str]
    ) -> ModelAnswer:
        """The answer of the first model that gives one; a failure that is no model's fault ends the search.

        One of a class that the agent passes on is taken if no later model does better. Raises what `gravest` says of
        all that failed.
        """
        failed: list[Transient | Permanent] = []
        passed_on: ModelAnswer | None = None
        for model in models:
            try:
                answer = await ask(self._call(model, prompt, run, told(model)))
            except (Transient, Permanent) as error:
                if not follows(error.kind).next_model:
                    raise
                failed.append(error)
                continue
            if OF_ANSWERS.get(answer.finish_reason) not in self.fallback:
                return answer
            passed_on = passed_on or answer
        if passed_on is not None:
            return passed_on
        raise gravest(failed)

    def _call(self, model: str, prompt: Prompt, run: Run, messages: tuple[Message, ...]) -> CallModel:
        request, params, offer = run.request, prompt.params, self.tools.offer(run)
        limits = (request.max_output_tokens, params.max_output_tokens, self.max_output_tokens)
        return CallModel(
            model=model,
            prompt=prompt.id,
            messages=messages,
            max_output_tokens=min(limit for limit in limits if limit is not None),
            temperature=params.temperature if request.temperature is None else request.temperature,
            output_schema=self.output_schema,
            tools=offer.tools,
            tool_choice=offer.choice,
            parallel_tool_calls=request.parallel_tool_calls,
            wishes=request.wishes,
            form=request.text.format,
            question=question_of(conversation_of(run)),
            passages=passages_of(run),
        )


@dataclass(frozen=True, slots=True)
class Generate:
    """A draft from the passages that were found, from the request alone, or from what tools have brought."""

    drafting: Drafting

    @classmethod
    def of(cls, parts: Parts) -> Generate:
        return cls(Drafting.of(parts))

    async def __call__(
        self, event: PassagesFound | RequestReceived | ToolsAnswered, run: Run, ask: Ask, /
    ) -> Sequence[Event]:
        facts, run = await recalled(run, ask)
        if any(isinstance(fact, RunFailed) for fact in facts):
            return facts
        return [*facts, await self._go_on(run, ask)]

    async def _go_on(self, run: Run, ask: Ask) -> AnswerDrafted | RunFailed:
        """Where there is a draft already it asked for tools: what it took to come so far still counts."""
        earlier = run.find(AnswerDrafted)
        if earlier is None:
            return await self.drafting.drafted(run, ask)
        models = Stage.of(run, self.drafting.chain(run)).models
        return await self.drafting.drafted(run, ask, earlier.repairs, models=models)


def gravest(failed: Sequence[Transient | Permanent]) -> Transient | Permanent:
    """What is to be done where every model of a chain failed.

    A call that failed and may pass is tried again. Where models are only to be waited for, it is the one that is free
    first. Else nothing helps, but for a call that was too long for one of them.
    """
    waits = {error: wait_s for error in failed if (wait_s := _wait_s(error)) is not None}
    passing = [error for error in failed if isinstance(error, Transient) and error not in waits]
    if passing:
        return passing[-1]
    if waits:
        return min(waits, key=waits.__getitem__)
    last = failed[-1] if failed else Permanent("no model is configured", kind="rejected")
    return next((error for error in failed if error.kind == TOO_LONG), last)


def _wait_s(error: Transient | Permanent) -> float | None:
    """How long to wait for a model to which nothing is wrong but that it has enough to do."""
    match error:
        case Held(wait_s=wait_s):
            return wait_s
        case Overloaded(kind=kind, retry_after_s=wait_s) if kind == RATE_LIMITED:
            return wait_s
    return None


def drafted(answer: ModelAnswer, prompt: Prompt, repairs: int) -> AnswerDrafted:
    """The event of a model's answer."""
    return AnswerDrafted(
        draft=answer.text,
        finish_reason=answer.finish_reason,
        model=answer.model,
        endpoint=answer.endpoint,
        offline=answer.offline,
        prompt=prompt.id,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        repairs=repairs,
        calls=answer.calls,
        reasoning=answer.reasoning,
        logprobs=answer.logprobs,
    )


def passages_of(run: Run) -> tuple[Passage, ...]:
    """The passages of the newest search; none where the agent does not search."""
    found = run.find(PassagesFound)
    return found.passages if found else ()


def fence_of(run: Run) -> Fence:
    """The same for every call of the run. It follows from what was drawn for the request, which nobody is told."""
    return Fence.of(run.request.fence or run.id)  # of the id where a release opened the run that drew nothing
