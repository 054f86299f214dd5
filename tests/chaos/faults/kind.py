"""What a fault is, and how it draws its target and its length."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.children import Child
from tests.chaos.plan import Planned
from tests.chaos.stage import Stage

Told = dict[str, Any]
Act = Callable[[Stage, Planned], Awaitable[Told]]


@dataclass(frozen=True, slots=True)
class Kind:
    """`strikes` is what the auditor lays the fault's time to: `worker`, `api`, `relay`, `redis`, `ledger`, `model`."""

    act: Act
    strikes: str
    loses: bool = False
    """Whether Redis may have lost entries by it."""
    needs: str = ""


def length(planned: Planned, least_s: float, most_s: float) -> float:
    return least_s + planned.rolls[1] * (most_s - least_s)


def one(children: list[Child], planned: Planned) -> Child:
    return children[int(planned.rolls[0] * len(children))]
