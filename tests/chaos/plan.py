"""What goes wrong when: drawn from a seed, so that a run that found something can be made again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 5
"""Of each kind, in a run that is long enough."""
WARM_UP_S = 5.0
APART_S = 3.5
"""The shortest mean distance of two faults: below it a run is one long fault and recovers from nothing."""
OVERLAPPING = 0.25
"""So many of the faults begin within two seconds of the one before."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come. `rolls` are numbers in [0, 1) that it draws its target and its length from."""

    at_s: float
    kind: str
    rolls: tuple[float, float, float]


def draw(seed: int, seconds: float, kinds: Sequence[str]) -> list[Planned]:
    """The faults of a run of so many seconds: every kind `LEAST` times if there is room, and as evenly if not."""
    dice = random.Random(f"faults {seed}")
    room = max(1, int((seconds - WARM_UP_S) / APART_S))
    deck = _deck(dice, kinds, min(room, LEAST * len(kinds)))
    gap = max(APART_S, (seconds - WARM_UP_S) / len(deck))
    planned, at = [], WARM_UP_S
    for kind in deck:
        planned.append(Planned(round(at, 3), kind, (dice.random(), dice.random(), dice.random())))
        at += dice.uniform(0.1, 2.0) if dice.random() < OVERLAPPING else gap * dice.uniform(0.7, 1.6)
    stretch = min(1.0, (seconds - WARM_UP_S) / max(at - WARM_UP_S, 1e-9))
    return [Planned(round(WARM_UP_S + (it.at_s - WARM_UP_S) * stretch, 3), it.kind, it.rolls) for it in planned]


def _deck(dice: random.Random, kinds: Sequence[str], size: int) -> list[str]:
    cards: list[str] = []
    while len(cards) < size:
        cards += dice.sample(list(kinds), len(kinds))
    return cards[:size]
