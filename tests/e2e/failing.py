"""Agents with a fault each, which goes once they are mended. A test writes this module out, as it is and mended."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel

from agent import Agent, Budget, Draft, ToolContext, tool
from agent.agents import documents
from agent.checks import answers_something
from agent.errors import Permanent

MENDED = bool(0)
TIME_S = 30.0
"""The time that a run has which is to be late. A test makes it pass."""


class Order(BaseModel):
    id: str


class Hours(BaseModel):
    opens_at: str | int if MENDED else int  # type: ignore[valid-type]


def is_short(draft: Draft) -> Iterable[str]:
    if len(draft.answer) > (500 if MENDED else 5):
        yield "the answer is too long"


def is_curt(draft: Draft) -> Iterable[str]:
    if len(draft.answer) > 5:
        yield "say it in five letters"


def counts(draft: Draft) -> Iterable[str]:
    if not MENDED:
        raise KeyError("words")
    return []


def kills(draft: Draft) -> Iterable[str]:
    if not MENDED:
        os._exit(9)
    return []


@tool(retries=0)
async def find_order(order: Order, context: ToolContext) -> str:
    """Find an order."""
    if not MENDED:
        raise KeyError(order.id)
    return "shipped"


@tool(retries=0)
async def find_parcel(order: Order, context: ToolContext) -> str:
    """Find a parcel."""
    if not MENDED:
        raise Permanent("the parcel's number is none", kind="parcels")
    return "on its way"


def plain(name: str, *checks: object, budget: Budget | None = None, **more: object) -> Agent:
    """Each agent has a model of its own: what that one does, no other agent is to wait for."""
    return Agent(
        name=name,
        prompt="chat",
        models=(name,),
        checks=(answers_something, *checks),  # type: ignore[arg-type]
        budget=budget or Budget(repairs=1, failures=1),
        **more,  # type: ignore[arg-type]
    )


def grounded(name: str, **more: object) -> Agent:
    return replace(documents, name=name, models=(name,), **{"prompt": "lamp", **more})  # type: ignore[arg-type]


# These are mended by their prompt, not here.
citing = grounded("citing")
refusing = grounded("refusing")
lengthy = grounded("lengthy")
rejected = grounded("rejected")
mistaken = grounded("mistaken")

talking = plain("talking", output=None if MENDED else Hours)
shaped = plain("shaped", output=Hours)
strict = plain("strict", is_short)
crashing = plain("crashing", counts)
deadly = plain("deadly", kills)
ordering = plain("ordering", tools=(find_order,))
sending = plain("sending", tools=(find_parcel,))
well = grounded("well", prompt="answer")
poor = grounded("poor", prompt="answer", budget=Budget(calls=3 if MENDED else 1))
hasty = plain("hasty", is_curt, budget=Budget(deadline_s=3_600 if MENDED else TIME_S, repairs=1))

LATE = Budget(deadline_s=TIME_S, failures=2)
limited = plain("limited", budget=LATE)
hanging = plain("hanging", budget=LATE)
away = plain("away", budget=Budget(failures=2))
garbled = plain("garbled")
unpaid = plain("unpaid")
locked = plain("locked")
