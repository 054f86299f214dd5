"""my_agent: answers when a shop is open, which it looks up with a tool.

Make it yours: the tool and the check below, the words in `prompts/my_agent`, and the tests that say what must hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel

from agent import Agent, Budget, Draft, tool
from agent.checks import answers_something

HOURS = {"saturday": "10:00 to 14:00", "sunday": "closed"}


class Day(BaseModel):
    """What the model has to say to call the tool; anything else is told back to it, and nothing is called."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@tool(timeout_s=5)
async def opening_hours(asked: Day) -> str:
    """Look up when the shop is open on a day of the week."""
    return HOURS.get(asked.day, "9:00 to 18:00")


def is_brief(draft: Draft) -> Iterable[str]:
    """What is yielded here is what the model is told when it has to write its answer again."""
    words = len(draft.answer.split())
    if words > 60:
        yield f"The answer has {words} words; it must have at most 60."


my_agent = Agent(
    name="my_agent",
    description="Knows when the shop is open.",
    prompt="my_agent",
    tools=(opening_hours,),
    checks=(answers_something, is_brief),
    budget=Budget(repairs=1, deadline_s=60),
)
