"""What a class of failure means for the model it came from, beside what it means for the run: the table of traffic.

Whether and when a *run* is tried again is `agent.outcome`'s; this table says what its *model* gets: whether the next
model of a chain is asked instead, whether all workers leave the model alone for as long as it said, and which breaker
counts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a breaker opens: after `failures` within `window_s`, if they are at least `share` of all that was counted.

    It opens for `first_s`, and for twice as long each time that a probe fails, up to `most_s`.
    """

    failures: int
    share: float
    window_s: float
    first_s: float
    most_s: float


FAILING = Breaker(failures=5, share=0.5, window_s=30.0, first_s=1.0, most_s=15.0)
"""For calls that brought no answer. No run waits longer for it than it waited for its own next try before."""
INVALID = Breaker(failures=10, share=0.75, window_s=60.0, first_s=5.0, most_s=60.0)
"""For answers that did not pass the checks of the agent that asked. A draft in four that passes keeps it closed."""
QUOTA_S = 30.0
"""An endpoint whose quota is used up is asked again so often, by one call: its owner may have raised it."""


@dataclass(frozen=True, slots=True)
class Follows:
    """What follows from one class. Without a breaker nothing is counted; `pauses` obeys the time that was named."""

    next_model: bool = True
    breaker: Breaker | None = None
    pauses: bool = False
    opens_for_s: float = 0.0
    """One failure is enough: the breaker opens at once, for so long."""


# fmt: off
CLASSES: Mapping[str, Follows] = {
    "transport":    Follows(breaker=FAILING),
    "server":       Follows(breaker=FAILING, pauses=True),
    "malformed":    Follows(breaker=FAILING),
    "empty":        Follows(breaker=FAILING),
    "rate_limited": Follows(pauses=True),
    "quota":        Follows(opens_for_s=QUOTA_S),
    "invalid":      Follows(breaker=INVALID),
    "unauthorized": Follows(),
    "rejected":     Follows(),
    "context_length_exceeded": Follows(),
    "budget":       Follows(),
    # Answers, not failures: they are paid for, and the checks decide. An agent may have the next model asked instead.
    "truncated":    Follows(next_model=False),
    "refused":      Follows(next_model=False),
    # Our own engines, and runs that wait for others: no model is to blame, and none would be of help.
    "ledger":       Follows(next_model=False),
    "streams":      Follows(next_model=False),
    "previous":     Follows(next_model=False),
}
# fmt: on
"""By the class of `AgentError.kind`."""

UNBILLED = frozenset({"rate_limited", "quota", "unauthorized", "rejected", "context_length_exceeded", "unmade"})
"""Calls that came to nothing before the model began: no vendor bills them."""

OF_ANSWERS: Mapping[str, str] = {"refusal": "refused", "content_filter": "refused", "length": "truncated"}
"""The classes of answers, by their finish reason; other answers are of none."""

FINAL = frozenset({"quota", "usd_per_day"})
"""Reasons of a hold that waiting does not cure: a run that meets one and has no other model fails with `quota`."""


def follows(kind: str) -> Follows:
    """What follows from a class; one that nobody listed goes on to the next model, and nothing else."""
    return CLASSES.get(kind, Follows())
