"""What two marks say about the server that one of them stands in."""

from __future__ import annotations

import pytest

from agent.epoch import Change, Known, Seen, judge, next_epoch, number

KNOWN = Known("3-aa", 100, "run-a")


@pytest.mark.parametrize(
    ("seen", "change"),
    [
        (Seen("3-aa", 100, "run-a"), Change.NONE),
        (Seen("3-aa", 99, "run-a"), Change.NONE),
        (Seen("3-aa", 98, "run-a"), Change.REWOUND),
        (Seen("3-aa", 101, "run-a"), Change.RESTORED),
        (Seen("", -1, "run-a"), Change.WIPED),
        (Seen("", -1, "run-b", regrouped=True), Change.WIPED),
        (Seen("2-zz", 900, "run-b"), Change.REWOUND),
        (Seen("4-zz", 1, "run-a"), Change.RESTORED),
        (Seen("3-zz", 100, "run-a"), Change.RESTORED),
        (Seen("garbage", 5, "run-a"), Change.REWOUND),
        (Seen("3-aa", 99, "run-b"), Change.RESTARTED),
        (Seen("3-aa", 98, "run-b"), Change.REWOUND),
        (Seen("3-aa", 99, ""), Change.NONE),
        (Seen("3-aa", 99, "run-a", regrouped=True), Change.REGROUPED),
        (Seen("3-aa", 99, "run-b", regrouped=True), Change.RESTARTED),
    ],
)
def test_each_way_to_lose_something_is_told_from_the_others(seen: Seen, change: Change) -> None:
    assert judge(KNOWN, seen) is change


@pytest.mark.parametrize(
    ("known", "seen", "change"),
    [
        (Known("", 0, ""), Seen("", -1, "run-a"), Change.FIRST),
        (Known("", 0, ""), Seen("1-aa", 7, "run-a"), Change.RESTORED),
        (Known("4-bb", 0, "run-a"), Seen("", -1, "run-a"), Change.ARRIVED),
        (Known("4-bb", 0, "run-a"), Seen("3-aa", 7, "run-a"), Change.ARRIVED),
        (Known("4-bb", 0, "run-a"), Seen("5-cc", 7, "run-a"), Change.RESTORED),
        (Known("4-bb", 0, "run-a"), Seen("4-bb", 0, "run-a"), Change.NONE),
        (Known("4-bb", 1, "run-a"), Seen("4-bb", 0, "run-a"), Change.NONE),
    ],
)
def test_an_epoch_that_redis_has_not_been_told_yet_is_no_second_loss(known: Known, seen: Seen, change: Change) -> None:
    assert judge(known, seen) is change


@pytest.mark.parametrize("change", list(Change))
def test_only_a_redis_that_cannot_be_believed_begins_an_epoch(change: Change) -> None:
    assert change.begins_epoch == (change in {Change.FIRST, Change.WIPED, Change.REWOUND, Change.RESTORED})


def test_a_new_epoch_comes_after_those_of_both_sides_and_is_never_used_again() -> None:
    names = {next_epoch(Known("3-aa", 1, ""), Seen("8-bb", 1, "")) for _ in range(50)}
    assert len(names) == 50
    assert {number(name) for name in names} == {9}
    assert number(next_epoch(Known("", 0, ""), Seen("no epoch", 1, ""))) == 1
    assert [number(odd) for odd in ("", "²-x", "-1", "x-2")] == [0, 0, 0, 0]
