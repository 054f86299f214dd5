"""Faults are drawn from the seed, every kind often enough, and some at the same time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from tests.chaos.faults import TABLE
from tests.chaos.plan import LEAST, draw

LONG_S = 20 * 60.0


def test_a_seed_draws_the_same_faults_again() -> None:
    assert draw(7, LONG_S, list(TABLE)) == draw(7, LONG_S, list(TABLE))
    assert draw(7, LONG_S, list(TABLE)) != draw(8, LONG_S, list(TABLE))


def test_a_long_run_has_every_kind_often_enough() -> None:
    counts = Counter(planned.kind for planned in draw(1, LONG_S, list(TABLE)))
    assert counts.keys() == TABLE.keys()
    assert min(counts.values()) >= LEAST
    assert sum(counts.values()) >= 100


def test_a_long_run_has_faults_that_begin_within_two_seconds_of_each_other() -> None:
    planned = draw(1, LONG_S, list(TABLE))
    assert sum(later.at_s - it.at_s <= 2.0 for it, later in pairwise(planned)) >= 10


def test_a_short_run_has_as_many_faults_as_there_is_room_for_and_none_after_its_end() -> None:
    planned = draw(3, 60.0, list(TABLE))
    assert 10 <= len(planned) <= 20
    assert planned[-1].at_s <= 60.0
    assert len({it.kind for it in planned}) == len(planned)
