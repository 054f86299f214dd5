"""The auditor finds nothing in a sound run, and finds each planted violation, and only that one."""

from __future__ import annotations

import pytest

from tests.chaos import report
from tests.chaos.invariants import INVARIANTS, audit
from tests.chaos.plants import (
    PLANTED,
    Plant,
    a_key_taken_twice,
    ended_twice,
    missing_in_the_feed,
    never_ended,
    rolling,
    went_another_way,
)
from tests.chaos.specimen import asked, call, fault, sound


def test_a_sound_run_breaks_nothing() -> None:
    assert audit(sound()) == []


@pytest.mark.parametrize(
    ("invariant", "plant"),
    [pytest.param(name, plant, id=f"{name}-{plant.__name__}") for name, plants in PLANTED.items() for plant in plants],
)
def test_a_planted_violation_is_found_and_nothing_else(invariant: str, plant: Plant) -> None:
    evidence = sound()
    plant(evidence)
    assert {finding.invariant for finding in audit(evidence)} == {invariant}


def test_two_endings_of_a_generation_are_found_also_as_events_after_the_end() -> None:
    evidence = sound()
    ended_twice(evidence)
    assert {finding.invariant for finding in audit(evidence)} == {"I2", "I3"}


def test_every_invariant_has_a_planted_violation() -> None:
    assert PLANTED.keys() == INVARIANTS.keys()


def test_a_repeated_call_that_is_on_record_as_unknown_is_explained_and_counted() -> None:
    evidence = sound()
    evidence.model.append(asked("resp_a", 1.5, 9))
    evidence.calls.append(call("resp_a", "unknown"))
    findings = audit(evidence)
    assert findings == []
    assert report.figures(evidence, findings)["calls"]["repaid_explained"] == 1


@pytest.mark.parametrize("plant", PLANTED["I13"])
def test_a_rolling_restart_is_not_blamed_for_what_another_fault_may_have_done(plant: Plant) -> None:
    evidence = sound()
    evidence.faults.append(fault("freeze_redis", 0.5, strikes="redis"))
    plant(evidence)
    assert audit(evidence) == []


def test_the_runs_that_only_a_rolling_restart_disturbed_are_counted() -> None:
    evidence = sound()
    rolling(evidence)
    assert audit(evidence) == []
    assert report.figures(evidence, [])["rolled_only"] == 1


def test_the_report_says_how_many_runs_were_replayed_and_how_many_came_again() -> None:
    evidence = sound()
    assert report.figures(evidence, [])["replays"] == {}
    evidence.replays.append({"run": "resp_b", "status": "completed", "same": True, "why": ""})
    went_another_way(evidence)
    told = report.figures(evidence, audit(evidence))
    assert told["replays"] == {"as recorded": 1, "another way": 1}
    assert "**replays**: as recorded 1, another way 1" in report.page(told, [])


def test_a_key_that_went_with_the_text_of_its_run_may_stand_for_another_question() -> None:
    evidence = sound()
    a_key_taken_twice(evidence)
    evidence.asks[0]["store"] = evidence.runs[0]["store"] = False
    assert [finding for finding in audit(evidence) if finding.invariant == "I6"] == []


def test_an_event_that_redis_lost_is_not_missed_in_the_feed() -> None:
    evidence = sound()
    evidence.faults.append(fault("flushall", evidence.events[1]["at"], strikes="redis", loses=True))
    missing_in_the_feed(evidence)
    assert [finding for finding in audit(evidence) if finding.invariant == "I8"] == []


def test_the_report_counts_what_was_lost_and_names_the_run() -> None:
    evidence = sound()
    never_ended(evidence)
    findings = audit(evidence)
    told = report.figures(evidence, findings)
    assert told["lost"] == 1
    assert "resp_a" in report.page(told, findings)
