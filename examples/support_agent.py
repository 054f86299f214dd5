"""Answers customers about their orders: it looks them up and gives money back, with a tool for each.

    CUELIGHT_AGENT=examples.support_agent:support CUELIGHT_PROMPTS_DIR=examples/prompts \
        CUELIGHT_MODEL_BASE_URL=… CUELIGHT_MODELS=… cuelight up
    cuelight ask "Where is my order A-1001?"
    cuelight approvals list        # refunds above 50 EUR wait for somebody: `approvals approve RUN`, or `deny`

The checks hold what a model may get wrong here: orders that nobody looked up, and refunds that nobody made. The offline
model that is built in calls no tools: configure an endpoint. The tests in `tests/unit/test_support_agent.py` need none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent import Agent, Budget, Draft, ToolContext, ToolError, tool
from agent.checks import answers_something

State = Literal["packed", "shipped", "delivered"]


class Order(BaseModel):
    id: str
    state: State
    total_cents: int
    note: str = ""


@dataclass
class Shop:
    """The shop's own system, in memory for the example. Whoever asks twice under one key gets one refund."""

    orders: dict[str, Order] = field(default_factory=dict)
    refunds: dict[str, str] = field(default_factory=dict)

    def refund(self, key: str) -> str:
        return self.refunds.setdefault(key, f"R-{len(self.refunds) + 1:04}")


SHOP = Shop({it.id: it for it in (Order(id="A-1001", state="shipped", total_cents=4590),)})
SHOP.orders["A-1003"] = Order(id="A-1003", state="delivered", total_cents=18900)
SHOP.orders["A-1002"] = Order(id="A-1002", state="delivered", total_cents=1990, note="left with a neighbour")


class Which(BaseModel):
    """The model's arguments: what does not fit is told to it, and nothing is called."""

    model_config = ConfigDict(extra="forbid")
    order_id: str = Field(pattern=r"^A-\d{4}$", description="As the customer wrote it, such as A-1001.")


class Refund(Which):
    reason: Literal["broken", "wrong item", "not wanted"]


@tool(timeout_s=5)
async def find_order(which: Which) -> Order:
    """Look an order up: its state, and what it cost."""
    return _order(which.order_id)


def is_large(refund: Refund) -> bool:
    order = SHOP.orders.get(refund.order_id)
    return order is not None and order.total_cents > 5_000


@tool(timeout_s=10, retries=1, approval=is_large, approval_s=3_600)
async def give_money_back(refund: Refund, context: ToolContext) -> str:
    """Give the price of a delivered order back to the customer."""
    order = _order(refund.order_id)
    if order.state != "delivered":
        raise ToolError(f"order {order.id} is {order.state}; only a delivered order can be paid back")
    number = SHOP.refund(context.key)  # the same call, made again after a crash, has the same key
    return f"refund {number} of {order.total_cents / 100:.2f} EUR for order {order.id}"


def _order(id: str) -> Order:
    if id not in SHOP.orders:
        raise ToolError(f"there is no order {id}")
    return SHOP.orders[id]


def orders_were_looked_up(draft: Draft) -> Iterable[str]:
    known = " ".join([draft.request.question, *(result.text for result in draft.results)])
    for id in dict.fromkeys(re.findall(r"A-\d{4}", draft.answer)):
        if id not in known:
            yield f"{id} is neither in the question nor was it looked up; leave it out or look it up"


def refunds_were_made(draft: Draft) -> Iterable[str]:
    made = " ".join(it.text for it in draft.results if it.name == "give_money_back" and not it.failed)
    for number in dict.fromkeys(re.findall(r"R-\d{4}", draft.answer)):
        if number not in made:
            yield f"no refund {number} was made; say what really happened"


support = Agent(
    name="support",
    description="Knows orders and gives money back.",
    prompt="support",
    tools=(find_order, give_money_back),
    checks=(answers_something, orders_were_looked_up, refunds_were_made),
    budget=Budget(repairs=2, tool_rounds=4, deadline_s=7_200),
)
