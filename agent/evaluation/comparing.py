"""Two evaluations, line by line, and whether the newer one is worse than it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.evaluation.report import METRICS, Report, Scored
from agent.evaluation.scoring import QUALITY
from agent.evaluation.statistics import LEAST, Draw, Interval, interval, mean

ANY = "any"
_DUST = 1e-9
"""What sums of floats may be off by."""

Verdict = Literal["better", "worse", "same", "unclear"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric over the lines that have it in both. `interval` is where the change lies; None for too few lines."""

    metric: str
    lines: int
    then: float
    now: float
    interval: Interval | None

    @property
    def change(self) -> float:
        return self.now - self.then

    @property
    def loss(self) -> float:
        """By how much it is worse; negative where it is better."""
        return -self.change if METRICS[self.metric].better == "more" else self.change

    @property
    def verdict(self) -> Verdict:
        """`same` where no line differs, `unclear` where the interval holds zero, or there is none."""
        if self.interval is None:
            return "unclear"
        low, high = self.interval.low, self.interval.high
        if low == high == 0:
            return "same"
        if low <= 0 <= high:
            return "unclear"
        return "better" if (low > 0) == (METRICS[self.metric].better == "more") else "worse"


@dataclass(frozen=True, slots=True)
class Turned:
    """A line that one score of changed."""

    id: str
    metric: str
    then: float
    now: float
    run: str
    """The newer one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two evaluations have in common. Only lines that say the same in both are compared."""

    then: Report
    now: Report
    shared: int
    changed: int
    """Lines of one id that ask or expect something else."""
    differences: Sequence[Difference]
    turned: Sequence[Turned]
    """Lines that are worse in a score than they were, the worst first."""

    @property
    def same_dataset(self) -> bool:
        return self.then.dataset.hash == self.now.dataset.hash

    def of(self, metric: str) -> Difference | None:
        return next((it for it in self.differences if it.metric == metric), None)

    def is_gone(self, metric: str) -> bool:
        """Whether lines that are compared had it, and none of them has it in both."""
        shared = {(line.id, line.digest) for line in self.now.lines}
        had = any(METRICS[metric].of(it) is not None for it in self.then.lines if (it.id, it.digest) in shared)
        return had and self.of(metric) is None


@dataclass(frozen=True, slots=True)
class Gate:
    """What may not be worse: surely so (`allowed` is None), or by more than `allowed`, on average over its lines."""

    metric: str
    allowed: float | None = None


def gate(text: str) -> Gate:
    """`any`, `METRIC` or `METRIC:0.02`. Raises `ValueError` that says what there is."""
    name, colon, number = text.partition(":")
    if name != ANY and name not in METRICS:
        raise ValueError(f"{text!r} is no metric; there is {', '.join((ANY, *METRICS))}")
    try:
        allowed = float(number) if colon else None
    except ValueError:
        allowed = -1.0
    if allowed is not None and not 0 <= allowed < float("inf"):
        raise ValueError(f"{text!r}: how much worse it may be is a number from 0 up")
    return Gate(name, allowed)


def compare(then: Report, now: Report, draw: Draw) -> Comparison:
    """The newer evaluation beside the older one."""
    before = {line.id: line for line in then.lines}
    known = [(before[line.id], line) for line in now.lines if line.id in before]
    pairs = [(one, other) for one, other in known if one.digest == other.digest]
    found = [_difference(metric, pairs, draw) for metric in METRICS]
    turned = [it for one, other in pairs for it in _turned(one, other)]
    return Comparison(
        then=then,
        now=now,
        shared=len(pairs),
        changed=len(known) - len(pairs),
        differences=[it for it in found if it is not None],
        turned=sorted(turned, key=lambda it: it.now - it.then),
    )


def breaches(gates: Sequence[Gate], found: Comparison) -> Sequence[str]:
    """Why the newer evaluation does not pass, a sentence each. What cannot be judged does not pass."""
    if gates and not found.shared:
        return ["the two evaluations have no line in common: nothing can be judged"]
    return [told for it in gates for told in _breaches(it, found)]


def _breaches(it: Gate, found: Comparison) -> Sequence[str]:
    if it.metric != ANY:
        return _breach(it, found.of(it.metric))
    named = [(name, found.of(name)) for name in QUALITY]
    judged = [(name, one) for name, one in named if (one.loss > 0 if one else found.is_gone(name))]
    return [told for name, one in judged for told in _breach(Gate(name, it.allowed), one)]


def _breach(it: Gate, one: Difference | None) -> Sequence[str]:
    if one is None:
        return [f"{it.metric}: no line has it in both evaluations, so it cannot be judged"]
    told = f"{it.metric} went from {one.then:.4g} to {one.now:.4g} over {one.lines} lines"
    if it.allowed is not None:
        return [f"{told}: worse by more than {it.allowed:g}"] if one.loss > it.allowed + _DUST else []
    if one.interval is None:
        few = f"{it.metric}: {one.lines} lines are too few to be sure of anything, from {LEAST} on there is an interval"
        return [f"{few}; or name a number, as in {it.metric}:0.05"]
    return [f"{told}: surely worse (95 %)"] if one.verdict == "worse" else []


def _difference(metric: str, pairs: Sequence[tuple[Scored, Scored]], draw: Draw) -> Difference | None:
    of = METRICS[metric].of
    values = [(then, now) for one, other in pairs if (then := of(one)) is not None and (now := of(other)) is not None]
    if not values:
        return None
    apart = [now - then for then, now in values]
    within = interval(apart, draw) if any(apart) else Interval(0.0, 0.0)
    return Difference(metric, len(values), mean([it for it, _ in values]), mean([it for _, it in values]), within)


def _turned(one: Scored, other: Scored) -> Sequence[Turned]:
    both = [name for name in QUALITY if name in one.scores and name in other.scores]
    worse = [name for name in both if other.scores[name] < one.scores[name] - _DUST]
    return [Turned(one.id, name, one.scores[name], other.scores[name], other.run) for name in worse]
