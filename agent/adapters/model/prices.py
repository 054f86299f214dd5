"""What a call cost, and the most it can cost. All prices are USD per million tokens."""

from __future__ import annotations

from decimal import Decimal

from agent.effects import CallModel
from agent.events import Usage
from agent.settings import ModelSettings

_MILLION = Decimal(1_000_000)
TEMPLATE_TOKENS = 8
"""Tokens that a chat template puts around one message and that are in no message's bytes."""


def cost(usage: Usage, model: ModelSettings) -> Decimal | None:
    """USD for these tokens; None where a price is unknown. Cached tokens cost the input price if they have none."""
    if model.input_usd_per_mtok is None or model.output_usd_per_mtok is None:
        return None
    cached_usd = model.input_usd_per_mtok if model.cached_usd_per_mtok is None else model.cached_usd_per_mtok
    fresh_tokens = usage.input_tokens - usage.cached_tokens
    per_mtok = fresh_tokens * model.input_usd_per_mtok + usage.cached_tokens * cached_usd
    return (per_mtok + usage.output_tokens * model.output_usd_per_mtok) / _MILLION


def worst_case(effect: CallModel, model: ModelSettings) -> Decimal | None:
    """The most that this call can cost, in USD; None where a price is unknown.

    Input tokens are bounded by the prompt's bytes, because no tokenizer makes more tokens than bytes.
    """
    tokens = effect.prompt_bytes() + TEMPLATE_TOKENS * len(effect.messages)
    return cost(Usage(input_tokens=tokens, output_tokens=effect.max_output_tokens), model)
