"""Means and what can be said of them. Chance is drawn by the caller's own generator, so that it can be drawn again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, fsum

Draw = Callable[[], float]
"""A number from 0 up to and without 1, such as `random.Random(1).random`."""

LEAST = 6
"""Of fewer values nothing is said: were all of them on one side, that could be chance at 95 %."""
RESAMPLES = 2_000
LEAST_RESAMPLES = 500
MOST_DRAWS = 4_000_000
"""Of more than 2,000 values fewer samples are drawn: they differ less."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the mean lies with a confidence of 95 %."""

    low: float
    high: float


def mean(values: Sequence[float]) -> float:
    """Raises `ZeroDivisionError` for none."""
    return fsum(values) / len(values)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed (nearest rank). Raises `IndexError` for none."""
    return sorted(values)[max(ceil(share * len(values)), 1) - 1]


def interval(values: Sequence[float], draw: Draw) -> Interval | None:
    """By a percentile bootstrap: the means of samples of the values, drawn with replacement. None for too few."""
    count = len(values)
    if count < LEAST:
        return None
    if min(values) == max(values):
        return Interval(values[0], values[0])
    samples = max(LEAST_RESAMPLES, min(RESAMPLES, MOST_DRAWS // count))
    means = sorted(sum([values[int(draw() * count)] for _ in range(count)]) / count for _ in range(samples))
    tail = int((1 - CONFIDENCE) / 2 * samples)
    return Interval(means[tail], means[-1 - tail])
