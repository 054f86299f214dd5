"""Runs that are ended from outside: no worker's outcome, but written through the same fence as one."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import orjson

from agent.envelope import seal
from agent.events import Ending
from agent.outcome import Advance
from agent.ports import Begun, Delivery, Pointer


def place(row: Any) -> Pointer:
    where = (row["run_id"], row["generation"], row["seq"], row["route"], row["attempt"])
    return Pointer(*where, row["project_id"], row["trace"], row["bulk"])


def taken(row: Any, by: str) -> Begun:
    """The work of a run, as if `by` had begun it: there is no attempt, and nothing is asked."""
    return Begun(
        delivery=Delivery(place(row), worker=by),
        token=os.urandom(16).hex(),
        deliveries=0,
        agent=row["agent"],
        agent_version=row["agent_version"],
        prompts=orjson.loads(row["prompts"]),
        request="",
        deadline=row["deadline"],
        remaining_s=0.0,
        spent_usd=Decimal(0),
        trace=row["trace"],
        events=(),
        answers={},
    )


def ended(begun: Begun, ending: Ending) -> Advance:
    """The outcome that ends a run where it stands."""
    sealed = seal(ending, agent=begun.agent_id, prompts=begun.prompts, trace=begun.trace)
    return Advance((sealed,), None, ending.status)
