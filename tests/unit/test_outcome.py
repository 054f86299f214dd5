"""What becomes of a failure, by its class."""

from __future__ import annotations

import random

import pytest

from agent.errors import Held, Overloaded, Permanent, Transient, Undecodable, Unfamiliar, Unroutable
from agent.outcome import MESSAGES, PARK_S, Backoff, Bury, Postpone, RetryPolicy, failure_of

POLICY = RetryPolicy()


@pytest.mark.parametrize(("attempt", "most_s"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (9, 30.0)])
def test_delays_double_up_to_the_longest_and_chance_spreads_them_down_to_zero(attempt: int, most_s: float) -> None:
    backoff = Backoff(first_s=0.5, most_s=30.0, attempts=5)
    assert backoff.delay_s(attempt, 0.0) == 0.0
    assert backoff.delay_s(attempt, 0.5) == most_s / 2
    assert [backoff.delay_s(attempt, 0.5) for _ in range(2)] == [most_s / 2] * 2, "asking changes nothing"


def test_what_may_succeed_later_is_postponed_and_uses_up_an_attempt() -> None:
    outcome = POLICY.settle(1, Transient("gone", kind="transport"), 0.5)
    assert outcome == Postpone(0.25, "transport", "Transient: gone", counted=True)


@pytest.mark.parametrize("kind", ["ledger", "streams"])
def test_the_absence_of_our_own_engines_uses_up_no_attempt(kind: str) -> None:
    outcome = POLICY.settle(50, Transient("away", kind=kind), 0.5)
    assert isinstance(outcome, Postpone)
    assert not outcome.counted


@pytest.mark.parametrize(("kind", "attempts"), [("transport", 14), ("server", 14), ("malformed", 3), ("empty", 3)])
def test_attempts_are_bounded_by_the_kind_of_failure(kind: str, attempts: int) -> None:
    assert isinstance(POLICY.settle(attempts - 1, Transient("no", kind=kind), 0.9), Postpone)
    last = POLICY.settle(attempts, Transient("no", kind=kind), 0.9)
    assert isinstance(last, Bury)
    assert (last.kind, last.failure.code) == (kind, kind)
    assert last.reason == f"after {attempts} attempts: Transient: no"


@pytest.mark.parametrize("kind", ["transport", "server"])
def test_an_endpoint_that_is_away_for_half_a_minute_costs_hardly_a_run(kind: str) -> None:
    dice = random.Random(1)

    def lasts_s() -> float:
        """How long one run goes on trying."""
        attempt, waited = 1, 0.0
        while isinstance(outcome := POLICY.settle(attempt, Transient("no", kind=kind), dice.random()), Postpone):
            attempt, waited = attempt + 1, waited + outcome.delay_s
        return waited

    assert sum(lasts_s() < 30 for _ in range(1_000)) <= 5


def test_no_retry_comes_sooner_than_the_far_side_asked_for() -> None:
    soonest = POLICY.settle(1, Overloaded("wait", retry_after_s=7.0), 0.0)
    later = POLICY.settle(1, Overloaded("wait", retry_after_s=7.0), 0.5)
    assert isinstance(soonest, Postpone) and isinstance(later, Postpone)
    assert (soonest.delay_s, later.delay_s) == (7.0, 7.25)


@pytest.mark.parametrize("attempt", [1, 100])
@pytest.mark.parametrize(
    "error", [Overloaded("wait", retry_after_s=7.0), Held("on hold", wait_s=7.0, kind="server")], ids=["told", "held"]
)
def test_waiting_for_a_model_uses_up_no_attempt(error: Overloaded | Held, attempt: int) -> None:
    outcome = POLICY.settle(attempt, error, 0.5)
    assert outcome == Postpone(7.25, error.kind, f"{type(error).__name__}: {error}", counted=False)


def test_a_server_that_fails_and_names_a_time_has_failed() -> None:
    outcome = POLICY.settle(1, Overloaded("wait", retry_after_s=7.0, kind="server"), 0.5)
    assert outcome == Postpone(7.25, "server", "Overloaded: wait", counted=True)


@pytest.mark.parametrize("error", [Permanent("no"), Undecodable("no"), Unroutable("no"), Permanent("no", kind="quota")])
def test_what_trying_again_cannot_help_is_buried_at_once(error: Permanent) -> None:
    outcome = POLICY.settle(1, error, 0.5)
    assert isinstance(outcome, Bury)
    assert (outcome.kind, outcome.failure) == (error.kind, failure_of(error.kind))


@pytest.mark.parametrize("attempt", [1, 100])
def test_what_a_newer_release_wrote_is_parked_and_uses_up_no_attempt(attempt: int) -> None:
    outcome = POLICY.settle(attempt, Unfamiliar("version 9"), 0.5)
    assert outcome == Postpone(PARK_S, "unfamiliar", "Unfamiliar: version 9", counted=False)


def test_an_error_that_nobody_meant_is_a_bug_and_gets_three_tries() -> None:
    outcomes = [POLICY.settle(attempt, ZeroDivisionError("by zero"), 0.5) for attempt in (1, 2, 3)]
    assert [type(outcome) for outcome in outcomes] == [Postpone, Postpone, Bury]
    assert {outcome.kind for outcome in outcomes} == {"bug"}


@pytest.mark.parametrize("kind", [*MESSAGES, "never heard of"])
def test_every_failure_has_words_for_the_client(kind: str) -> None:
    failure = failure_of(kind, repairs=2)
    assert (failure.code, failure.status, failure.repairs) == (kind, "failed", 2)
    assert failure.message.endswith(".")
