"""The hard caps of one run: what its calls may use up together, whichever step, model or attempt makes them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar, cast

from pydantic import BaseModel

from agent.effects import Ask, CallModel, Effect
from agent.errors import AgentError, Held, Permanent
from agent.events import Usage
from agent.outcome import BUDGET, RATE_LIMITED
from agent.ports import Begun
from agent.steps import Budget
from workers.perform import Perform, Quote, billed

T = TypeVar("T", bound=BaseModel)


def within_budget(ask: Ask, perform: Perform, begun: Begun, budget: Budget) -> Ask:
    """`ask` that makes no call which could take the run above its calls, its money or its tokens.

    Calls of one delivery that are made at once each hold the most that they may use up, so that not all of them take
    what is left for one. How many tokens a prompt has, its endpoint tells only afterwards. Raises `Permanent`
    (`budget`), and then nothing was used up.
    """
    if (budget.calls, budget.usd, budget.tokens) == (None, None, None):
        return ask
    tab = Tab.of(begun, budget)

    async def careful(effect: Effect[T], /) -> T:
        if not isinstance(effect, CallModel):
            return await ask(effect)
        held = _most(effect, perform.quote(effect))
        tab.hold(held)
        try:
            answer = await ask(effect)
        except AgentError as error:
            tab.settle(held, *billed(error), calls=_made(error))
            raise
        tab.settle(held, getattr(answer, "usage", None), getattr(answer, "cost_usd", None))
        return cast(T, answer)

    return careful


@dataclass(frozen=True, slots=True)
class Most:
    """What one call may use up."""

    usd: Decimal
    tokens: int


@dataclass(slots=True)
class Tab:
    """What a run has used up, or may yet: what nobody knows of a call stands here at its most, as in the ledger."""

    budget: Budget
    calls: int
    usd: Decimal
    tokens: int

    @classmethod
    def of(cls, begun: Begun, budget: Budget) -> Tab:
        unknown = begun.unknown_calls * budget.max_output_tokens
        return cls(budget, begun.model_calls, begun.spent_usd, begun.spent_tokens + unknown)

    def hold(self, most: Most) -> None:
        """Raises `Permanent` (`budget`) if the call might take the run above a cap."""
        _check("calls", self.calls + 1, self.budget.calls)
        _check("USD", self.usd + most.usd, self.budget.usd)
        _check("tokens", self.tokens + most.tokens, self.budget.tokens)
        self._add(1, most.usd, most.tokens)

    def settle(self, most: Most, usage: Usage | None, cost_usd: Decimal | None, *, calls: int = 1) -> None:
        """Put what a call came to in place of what was held for it, which stays where nobody knows."""
        usd = most.usd if cost_usd is None else cost_usd
        tokens = most.tokens if usage is None else usage.input_tokens + usage.output_tokens
        self._add(calls - 1, usd - most.usd, tokens - most.tokens)

    def _add(self, calls: int, usd: Decimal, tokens: int) -> None:
        self.calls += calls
        self.usd += usd
        self.tokens += tokens


def _most(effect: CallModel, quote: Quote | None) -> Most:
    """A call that nobody has to pay for is only counted."""
    if quote is None or not quote.paid:
        return Most(Decimal(0), 0)
    return Most(quote.worst_case_usd or Decimal(0), effect.max_output_tokens)


def _made(error: AgentError) -> int:
    """A call that came too early was made for nothing, and is made again: it is no call of the run."""
    return 0 if isinstance(error, Held) or error.kind == RATE_LIMITED else 1


def _check(what: str, might_be: Decimal | int, most: Decimal | int | None) -> None:
    if most is not None and might_be > most:
        refusal = Permanent(f"the call might take the run to {might_be} {what}; it may spend {most}", kind=BUDGET)
        refusal.usage, refusal.cost_usd = Usage(), Decimal(0)
        raise refusal
