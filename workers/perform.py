"""The real `ask`: how an effect reaches the world, and the wrappers of the same shape around it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol, TypeVar, cast

import structlog
from pydantic import BaseModel

from agent.effects import (
    AnyEffect,
    Ask,
    CallModel,
    CallTool,
    Effect,
    Found,
    ModelAnswer,
    Recall,
    Recalled,
    Search,
    ToolResult,
)
from agent.envelope import scrub
from agent.errors import AgentError, Permanent
from agent.events import Usage
from agent.failures import UNBILLED
from agent.faults import Fault
from agent.ports import Begun, Call, CallStatus, Ledger, Refusal
from agent.telemetry import metrics, tracing
from workers.pacing import Pacing
from workers.tools import Tools

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=BaseModel)


class Quote(Protocol):
    @property
    def endpoint(self) -> str: ...
    @property
    def worst_case_usd(self) -> Decimal | None: ...
    @property
    def paid(self) -> bool: ...


class Models(Protocol):
    """The configured models; `agent.adapters.model.book.ModelBook` is one."""

    def quote(self, effect: CallModel) -> Quote: ...
    async def call(self, effect: CallModel, *, timeout_s: float, headers: Mapping[str, str]) -> ModelAnswer: ...


async def nothing_recalled(effect: Recall, project: str) -> Recalled:
    """Where no earlier runs can be read."""
    return Recalled(gone=True)


@dataclass(frozen=True, slots=True)
class Perform:
    """The doors to the world, by kind of effect."""

    models: Models
    search: Callable[[Search, str], Awaitable[Found]]
    recall: Callable[[Recall, str], Awaitable[Recalled]] = nothing_recalled
    tools: Callable[[CallTool, Begun, float], Awaitable[ToolResult]] = field(default_factory=Tools)

    def bind(self, begun: Begun) -> Ask:
        """`Ask` for one delivery: its project, its remaining time, its ids."""
        until = time.monotonic() + begun.remaining_s

        async def ask(effect: Effect[T], /) -> T:
            match effect:
                case CallModel():
                    answer: BaseModel = await self._call_model(begun, effect, until)
                case Search():
                    answer = await self._search(begun, effect)
                case CallTool():
                    answer = await self._call_tool(begun, effect, until)
                case Recall():
                    answer = await self.recall(effect, begun.pointer.project)
                case _:
                    raise Permanent(f"nobody here can do {effect.type!r}", kind="unroutable")
            return cast(T, answer)

        return ask

    async def _call_model(self, begun: Begun, effect: CallModel, until: float) -> ModelAnswer:
        with tracing.span(f"chat {effect.model}", tracing.CLIENT, _asked(begun, effect)) as span:
            left = until - time.monotonic()
            answer = await self.models.call(effect, timeout_s=left, headers=headers(begun, effect))
            span.set_attributes(_told(answer))
            return answer

    async def _call_tool(self, begun: Begun, effect: CallTool, until: float) -> ToolResult:
        asked: dict[str, tracing.Attribute] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": effect.tool,
            "gen_ai.tool.call.id": effect.key,
            "cuelight.run": begun.pointer.run,
        }
        with tracing.span(f"execute_tool {effect.tool}", tracing.INTERNAL, asked) as span:
            result = await self.tools(effect, begun, until)
            span.set_attribute("cuelight.tool.failed", result.failed)
            return result

    async def _search(self, begun: Begun, effect: Search) -> Found:
        asked: dict[str, tracing.Attribute] = {
            "gen_ai.data_source.id": effect.collection,
            "gen_ai.retrieval.top_k": effect.limit,
        }
        with tracing.span(f"retrieval {effect.collection}", tracing.CLIENT, asked) as span:
            found = await self.search(effect, begun.pointer.project)
            span.set_attribute("cuelight.passages", len(found.passages))
            return found

    def quote(self, effect: AnyEffect) -> Quote | None:
        """What a call would be before it is made; None for what costs nothing."""
        return self.models.quote(effect) if isinstance(effect, CallModel) else None


def headers(begun: Begun, effect: CallModel) -> dict[str, str]:
    """What an endpoint is told beside the question, so that its log can be laid beside ours."""
    told = {
        "x-cuelight-run": begun.pointer.run,
        "x-cuelight-prompt": effect.prompt,
        "x-cuelight-request": effect.hash(),
        "x-cuelight-attempt": str(begun.pointer.attempt),
    }
    trace = tracing.current() or begun.trace
    return {**told, "traceparent": trace} if trace else told


def _asked(begun: Begun, effect: CallModel) -> dict[str, tracing.Attribute]:
    name, _, version = effect.prompt.partition("@")
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": effect.model,
        "gen_ai.request.max_tokens": effect.max_output_tokens,
        "gen_ai.prompt.name": name,
        "gen_ai.prompt.version": version,
        "cuelight.run": begun.pointer.run,
        "cuelight.attempt": begun.pointer.attempt,
    }


def _told(answer: ModelAnswer) -> dict[str, tracing.Attribute]:
    return {
        "gen_ai.provider.name": answer.endpoint,
        "gen_ai.response.model": answer.model,
        "gen_ai.response.finish_reasons": answer.finish_reason,
        "gen_ai.usage.input_tokens": answer.usage.input_tokens,
        "gen_ai.usage.output_tokens": answer.usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": answer.usage.cached_tokens,
    }


def paced(ask: Ask, pacing: Pacing, begun: Begun) -> Ask:
    """`ask` that makes no call of a model that has been put on hold since the call got its turn. Raises `Held`."""

    async def patient(effect: Effect[T], /) -> T:
        if isinstance(effect, CallModel):
            pacing.check(effect, begun)
        return await ask(effect)

    return patient


@dataclass(slots=True)
class Recording:
    """`ask` that keeps what was asked and answered.

    An answer on record is given again and never paid again. A paid call is on record before it is made, and earlier
    answers of the same delivery before another question is asked; the last ones are written with the outcome. A call
    that does not get its turn is not made and costs nothing: that it was wanted stands with the attempt.
    """

    ask: Ask
    perform: Perform
    begun: Begun
    ledger: Ledger
    pacing: Pacing = field(default_factory=Pacing)
    seen: Counter[str] = field(default_factory=Counter)

    async def __call__(self, effect: Effect[T], /) -> T:
        name = effect.hash()
        occurrence = self.seen[name]
        self.seen[name] += 1
        call = self._call(effect, name, occurrence)  # before anything is waited for: others may be asked meanwhile
        recorded = self.begun.answers.get((name, occurrence))
        if recorded is not None:
            log.info("answer_on_record", effect=effect.type, hash=name[:12])
            return cast(T, effect.answer_type.model_validate_json(recorded))
        await self.ledger.record(self.begun)
        answer = await self._in_turn(effect, call)
        if isinstance(effect, CallTool):  # others may be under way beside it, and this one is never to be made again
            await self.ledger.record(self.begun)
        return answer

    async def _in_turn(self, effect: Effect[T], call: Call) -> T:
        let_in = False
        try:
            async with self.pacing.turn(self.begun, call):
                let_in = True
                if isinstance(effect, CallTool) or (isinstance(effect, CallModel) and call.worst_case_usd != 0):
                    await self.ledger.intend(self.begun, call)
                return await self._made(effect, call)
        except AgentError as error:
            if not let_in:
                self.begun.refusals.append(_refusal(call, error))
            raise

    async def _made(self, effect: Effect[T], call: Call) -> T:
        began = time.monotonic()
        try:
            answer = await self.ask(effect)
        except AgentError as error:
            _failed(call, error)
            raise
        except asyncio.CancelledError:
            if call.intended:  # the deadline, or the end of this process: nobody will know what became of it
                call.status = "unknown"
            raise
        except Exception as error:  # a bug of ours, or of an author: it is told as it was, and what it cost is unknown
            _failed(call, error, "unknown" if call.intended else "failed")
            raise
        else:
            _answered(call, answer)
            self.pacing.answered(call.model, answer)
            return answer
        finally:
            call.duration_ms = (time.monotonic() - began) * 1000
            if call.status != "asked":
                self.begun.calls.append(call)
                _count(call)

    def _call(self, effect: AnyEffect, name: str, occurrence: int) -> Call:
        number = f"{self.begun.token}-{sum(self.seen.values())}"
        call = Call(id=number, effect=effect, hash=name, occurrence=occurrence)
        quote = self.perform.quote(effect)
        if quote is not None and isinstance(effect, CallModel):
            call.model, call.prompt, call.prompt_hash = effect.model, effect.prompt, effect.prompt_hash()
            call.endpoint, call.worst_case_usd = quote.endpoint, quote.worst_case_usd
        return call


def _count(call: Call) -> None:
    if isinstance(call.effect, CallModel):
        status, seconds = call.error_kind or call.status, call.duration_ms / 1000
        metrics.count_call(call.model, call.endpoint, status, seconds, call.usage, call.cost_usd)


def _answered(call: Call, answer: BaseModel) -> None:
    call.status, call.answer = "answered", scrub(answer.model_dump_json())
    if isinstance(answer, ModelAnswer):
        call.usage, call.cost_usd = answer.usage, answer.cost_usd
        log.info("model_answered", model=call.model, endpoint=call.endpoint, finish_reason=answer.finish_reason)


def billed(error: AgentError) -> tuple[Usage | None, Decimal | None]:
    """Tokens and USD that a failed call used up; None for what nobody knows, nothing where no vendor bills it."""
    if error.kind in UNBILLED:
        return error.usage or Usage(), error.cost_usd or Decimal(0)
    return error.usage, error.cost_usd


def _failed(call: Call, error: Exception, status: CallStatus = "failed") -> None:
    fault = Fault.of(error)
    call.status, call.error_kind, call.error, call.fault = status, fault.kind, fault.message, fault.columns()
    if isinstance(error, AgentError):
        usage, call.cost_usd = billed(error)
        call.usage = usage or Usage()
    log.warning("call_failed", effect=call.effect.type, model=call.model, kind=fault.kind, error=fault.message[:300])


def _refusal(call: Call, error: AgentError) -> Refusal:
    fault, asked = Fault.of(error), (call.effect.type, call.hash, call.occurrence, call.model)
    return Refusal(*asked, fault.error, fault.kind, fault.message, fault.wait_s)
