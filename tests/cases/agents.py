"""The agents of the golden cases, beside those that ship. A case names its agent, so none is ever renamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel

from agent import Agent, Budget, Draft, tool
from agent.agents import documents
from agent.tools import ToolError

hasty = replace(documents, name="hasty", budget=Budget(deadline_s=4))
thrifty = replace(documents, name="thrifty", budget=Budget(calls=2))
impatient = replace(documents, name="impatient", budget=Budget(failures=3))
eager = replace(documents, name="eager", fallback=("refused",))


class Order(BaseModel):
    """Which order, and how much of it."""

    number: int
    usd: float = 0


@tool(retries=0)
async def look_up(order: Order) -> str:
    """Say where an order is."""
    if order.number == 404:
        raise ToolError("There is no order 404.")
    if order.number == 500:
        raise ZeroDivisionError("a bug of the tool's author")
    return f"Order {order.number} left the house on Monday."


@tool(retries=0)
async def refund(order: Order) -> str:
    """Pay an order back."""
    return f"{order.usd:g} USD were paid back."


clerk = Agent(name="clerk", prompt="chat", tools=(look_up,), budget=Budget(tool_rounds=2))
cashier = Agent(
    name="cashier",
    prompt="chat",
    tools=(replace(refund, approval=True, approval_s=1.0),),
    budget=Budget(deadline_s=30),
)


def has_a_bug(draft: Draft) -> Sequence[str]:
    """A check whose author forgot that an answer may cite nothing."""
    return [str(1 / len(draft.citations))]


buggy = Agent(name="buggy", prompt="chat", checks=(has_a_bug,))

SPECS = (
    "agent.agents:documents",
    "agent.agents:chat",
    *(f"{__name__}:{it.name}" for it in (hasty, thrifty, impatient, eager, clerk, cashier, buggy)),
)
