"""What has to be true of every run of the fault machine, one file a subject. None of them knows the service's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.chaos.evidence import Evidence, Finding
from tests.chaos.invariants.cancels import i7_nothing_after_the_end
from tests.chaos.invariants.endings import i1_one_ending_in_time, i2_endings_are_one_and_the_same, i3_no_gaps_same_bytes
from tests.chaos.invariants.feeds import i8_feed_is_the_ledger
from tests.chaos.invariants.health import i10_doctor_is_content, i11_recovers_in_time, i12_back_to_baseline
from tests.chaos.invariants.keys import i6_same_key_same_response
from tests.chaos.invariants.letters import i9_letters_for_a_reason
from tests.chaos.invariants.payments import i5_paid_once
from tests.chaos.invariants.replays import i14_runs_replay_as_recorded
from tests.chaos.invariants.rolls import i13_a_rolling_restart_burns_nothing
from tests.chaos.invariants.words import i4_only_accepted_words

Invariant = Callable[[Evidence], Iterator[Finding]]

INVARIANTS: dict[str, Invariant] = {
    "I1": i1_one_ending_in_time,
    "I2": i2_endings_are_one_and_the_same,
    "I3": i3_no_gaps_same_bytes,
    "I4": i4_only_accepted_words,
    "I5": i5_paid_once,
    "I6": i6_same_key_same_response,
    "I7": i7_nothing_after_the_end,
    "I8": i8_feed_is_the_ledger,
    "I9": i9_letters_for_a_reason,
    "I10": i10_doctor_is_content,
    "I11": i11_recovers_in_time,
    "I12": i12_back_to_baseline,
    "I13": i13_a_rolling_restart_burns_nothing,
    "I14": i14_runs_replay_as_recorded,
}
TIMED = frozenset({"I11"})
"""What a slow machine breaks without anybody's fault."""
SLACK = 10.0
"""How many times as long the rest may take there."""


def audit(evidence: Evidence, *, timed: bool = True) -> list[Finding]:
    """Every broken promise."""
    evidence.slack = 1.0 if timed else SLACK
    judged = [check for name, check in INVARIANTS.items() if timed or name not in TIMED]
    return [finding for check in judged for finding in check(evidence)]
