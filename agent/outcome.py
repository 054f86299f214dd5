"""What becomes of a delivery, as a value. Deciding is pure; `Ledger.commit` does the writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenacity import RetryCallState
from tenacity.wait import wait_base, wait_exponential

from agent.envelope import Sealed
from agent.errors import AgentError, Held, Overloaded, Permanent, Transient, Unfamiliar
from agent.events import RunFailed


@dataclass(frozen=True, slots=True)
class Advance:
    """The step is done; these are its consequences. `route` takes the last of them; None if it ends the run."""

    events: tuple[Sealed, ...]
    route: str | None
    status: str = "in_progress"
    delay_s: float = 0.0
    """How long the run rests before `route` takes it."""


@dataclass(frozen=True, slots=True)
class Postpone:
    """Try the same work again, no sooner than `delay_s` from now. `counted` if this try used up an attempt."""

    delay_s: float
    kind: str
    reason: str
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Bury:
    """Set the work aside for a person to look at; the run ends in `failure`, which is what the client sees."""

    kind: str
    reason: str
    failure: RunFailed


Outcome = Advance | Postpone | Bury


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays grow from `first_s` to `most_s`; the delay itself is drawn between zero and that (full jitter)."""

    first_s: float
    most_s: float
    attempts: int
    """The first try counts as one."""

    def delay_s(self, attempt: int, chance: float) -> float:
        """The delay after the `attempt`-th try. `chance` is in [0, 1) and comes from outside: no dice in here."""
        wait: wait_base = wait_exponential(multiplier=self.first_s, max=self.most_s)
        return wait(_tried(attempt)) * chance


JITTER_S = 0.5
"""What waits for a model waits a little longer: not all of it must come back in the same moment."""

OURS = frozenset({"ledger", "streams"})
"""Error classes of our own engines. Their absence is no fault of the run: it goes on until its deadline."""

WAITING = "previous"
"""The error class of a run that goes on from another one, which has not ended. It waits until its own deadline."""
WAIT_S = 0.5
MOST_WAIT_S = 10.0
"""It looks less often the longer that takes: the other one may wait for somebody's approval for hours."""

RATE_LIMITED = "rate_limited"
"""The error class of a call that came too early. The endpoint says when to come again, so it uses up no attempt."""

BUDGET = "budget"
"""The error class of a call that might have taken its run above what it may use up; it was not made."""

TOO_LONG = "context_length_exceeded"
"""The error class of a call that is longer than its model can take."""

PARK_S = 5.0
"""Work that only a newer release can read is looked at again after so many seconds, until the run's deadline."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What to do about an error, by its class. The one owner of retries in the whole system."""

    default: Backoff = Backoff(first_s=0.5, most_s=30.0, attempts=5)
    by_kind: Mapping[str, Backoff] = field(
        default_factory=lambda: {
            # An endpoint that is away for half a minute is no reason to fail runs that have two minutes.
            "transport": Backoff(first_s=0.5, most_s=15.0, attempts=14),
            "server": Backoff(first_s=0.5, most_s=15.0, attempts=14),
            "malformed": Backoff(first_s=0.2, most_s=5.0, attempts=3),
            "empty": Backoff(first_s=0.2, most_s=5.0, attempts=3),
            "bug": Backoff(first_s=0.5, most_s=5.0, attempts=3),
            "too_slow": Backoff(first_s=0.5, most_s=5.0, attempts=3),
        }
    )

    def settle(self, attempt: int, error: Exception, chance: float, begins: int = 1) -> Postpone | Bury:
        """What to do about `error` on the `attempt`-th try, counted from 1; `begins` counts the uncounted ones too."""
        kind = error.kind if isinstance(error, AgentError) else "bug"
        reason = f"{type(error).__name__}: {error}"
        backoff = self.by_kind.get(kind, self.default)
        match error:
            case Unfamiliar():
                return Postpone(PARK_S, kind, reason, counted=False)
            case Transient() if kind == WAITING:
                return Postpone(_patience_s(begins) * (1 + chance), kind, reason, counted=False)
            case Transient() if kind in OURS:
                return Postpone(backoff.delay_s(attempt, chance), kind, reason, counted=False)
            case Held():
                return Postpone(error.wait_s + JITTER_S * chance, kind, reason, counted=False)
            case Overloaded() if kind == RATE_LIMITED:
                return Postpone(error.retry_after_s + JITTER_S * chance, kind, reason, counted=False)
            case Permanent():
                return Bury(kind, reason, failure_of(kind))
            case _ if attempt >= backoff.attempts:
                return Bury(kind, f"after {attempt} attempts: {reason}", failure_of(kind))
            case Overloaded():
                return Postpone(error.retry_after_s + backoff.delay_s(attempt, chance), kind, reason)
            case _:
                return Postpone(backoff.delay_s(attempt, chance), kind, reason)


def _patience_s(begins: int) -> float:
    wait: wait_base = wait_exponential(multiplier=WAIT_S, exp_base=1.25, max=MOST_WAIT_S)
    return wait(_tried(begins))


def given_up(outcome: Postpone, failures: int) -> Bury:
    """Instead of another try of a run that has failed `failures` times at its steps together."""
    return Bury("retries", f"the run's {failures}th failed attempt: {outcome.reason}", failure_of(outcome.kind))


MESSAGES = {
    "rate_limited": ("rate_limit_exceeded", "The model's endpoint is rate limited and stayed so; try again later."),
    "quota": ("rate_limit_exceeded", "The quota at the model's endpoint is used up; its owner has to raise it."),
    "transport": ("server_error", "The model's endpoint could not be reached."),
    "server": ("server_error", "The model's endpoint kept failing."),
    "malformed": ("server_error", "The model's endpoint kept sending replies that cannot be read."),
    "empty": ("server_error", "The model's endpoint kept sending empty replies."),
    "rejected": ("server_error", "The model's endpoint refused the request."),
    "unauthorized": ("server_error", "The model's endpoint refused our key; its owner has to look at the settings."),
    "undecodable": ("server_error", "The run's record could not be read; an operator has been left a dead letter."),
    "unroutable": ("server_error", "The run has nowhere to go; an operator has been left a dead letter."),
    BUDGET: (
        "server_error",
        "The run used up the calls, the money or the tokens that its agent may spend on one answer.",
    ),
    "deliveries": ("server_error", "The work stopped its workers again and again and was set aside."),
    "too_slow": ("server_error", "Checking the answer took too long; an operator has been left a dead letter."),
    "deadline_exceeded": ("server_error", "The run did not end before its deadline."),
    "invalid_conversation": ("invalid_prompt", "The conversation has a call or a result without its counterpart."),
    "previous_response_not_found": ("invalid_prompt", "The previous response was deleted before this one began."),
    "conversation_too_long": (
        "invalid_prompt",
        "The conversation with all that it goes on from is longer than this service takes; begin a new one.",
    ),
    TOO_LONG: (
        "invalid_prompt",
        "The conversation is longer than the model can take; make it shorter, or set truncation to auto.",
    ),
    "unstorable": ("server_error", "The run's record could not be stored; an operator has been left a dead letter."),
}
"""By failure class: the code of the Responses API's closed list, and words for the client without any model text."""


def failure_of(kind: str, repairs: int = 0) -> RunFailed:
    """The ending that a client sees after a failure of this class."""
    _, message = MESSAGES.get(kind, ("server_error", "The run failed; an operator has been left a dead letter."))
    return RunFailed(code=kind, message=message, repairs=repairs)


def _tried(attempt: int) -> RetryCallState:
    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # only its number is read
    state.attempt_number = attempt
    return state
