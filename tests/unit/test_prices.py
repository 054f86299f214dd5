"""What a call costs, to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agent.adapters.model.prices import TEMPLATE_TOKENS, cost, worst_case
from agent.effects import CallModel
from agent.events import Usage
from agent.request import Message
from agent.settings import ModelSettings

USAGE = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=10, reasoning_tokens=9)


def model(**usd_per_mtok: str) -> ModelSettings:
    return ModelSettings(name="m", **{f"{key}_usd_per_mtok": Decimal(value) for key, value in usd_per_mtok.items()})


def test_cached_tokens_have_their_own_price_and_reasoning_is_part_of_the_output() -> None:
    assert cost(USAGE, model(input="2.5", cached="0.25", output="10")) == Decimal("1.6001")


def test_cached_tokens_without_a_price_cost_what_input_costs() -> None:
    assert cost(USAGE, model(input="2.5", output="10")) == Decimal("2.5001")


@pytest.mark.parametrize("prices", [{}, {"input": "1"}, {"output": "1"}, {"input": "1", "cached": "1"}])
def test_without_both_prices_a_cost_is_unknown_and_not_zero(prices: dict[str, str]) -> None:
    assert cost(USAGE, model(**prices)) is None


def test_a_free_model_costs_nothing() -> None:
    assert cost(USAGE, model(input="0", output="0")) == 0


def test_the_worst_case_counts_every_byte_as_a_token_and_the_whole_output() -> None:
    asked = CallModel(
        model="m",
        prompt="answer@1",
        messages=(Message(role="system", content="abc"), Message(role="user", content="日本")),
        max_output_tokens=100,
        output_schema="{}",
    )
    tokens = 3 + 6 + 2 + 2 * TEMPLATE_TOKENS
    assert worst_case(asked, model(input="3", cached="1", output="7")) == (tokens * 3 + 700) / Decimal(1_000_000)
    assert worst_case(asked, model(input="3")) is None
