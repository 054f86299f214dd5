"""What the doctor makes of facts that no test can bring about on real engines."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.doctor import Facts, Finding, Level, confirmed, examine
from agent.doctor.facts import Instance, LedgerFacts, Limits, Sample, StreamFacts, ahead_s
from agent.doctor.finding import lasted
from agent.inspection import ConsumerLook, RouteLook
from agent.pacing import Hold, Target
from agent.pauses import Pause

LIMITS = Limits(max_deliveries=8, lease_s=3.0, stall_s=15.0)
HEALTHY = Facts(LedgerFacts(), StreamFacts(version="9.1.0", redis_version="7.2.4", flavour="valkey"), LIMITS)


def told(**changes: Any) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(replace(HEALTHY, **changes))}


def test_healthy_facts_give_no_finding() -> None:
    assert examine(HEALTHY) == []


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("8.2.2", Level.FAULT),
        ("8.2.3", Level.WARNING),
        ("8.2.9", None),
        ("8.4.5", Level.WARNING),
        ("8.4.6", None),
        ("8.6.5", Level.WARNING),
        ("8.8.0", None),
        ("7.4.1", None),
    ],
)
def test_known_bad_releases_of_redis_are_named(version: str, level: Level | None) -> None:
    found = told(streams=StreamFacts(flavour="redis", version=version, redis_version=version))
    assert (found["redis-version"].level if found else None) == level


LARGE = Target("far", "large")


@pytest.mark.parametrize(
    ("hold", "words"),
    [
        (Hold(LARGE, "rate_limited", 12.0), None),
        (Hold(LARGE, "rate_limited", 300.0), "5 minutes to go"),
        (Hold(LARGE, "server", 1.0, opened=1), None),
        (Hold(LARGE, "server", 4.0, opened=3), "(server, 3 times in a row)"),
        (Hold(LARGE, "server", 0.0, opened=3), None),
        (Hold(LARGE, "quota", 9.0, probing=True), "one call is finding out"),
        (Hold(LARGE, "invalid", 5.0, agent="ann"), "for agent ann"),
    ],
)
def test_a_model_that_is_not_called_for_long_or_again_and_again_is_found(hold: Hold, words: str | None) -> None:
    found = told(streams=replace(HEALTHY.streams or StreamFacts(), holds=[hold]))
    assert (words is None) is (found == {})
    assert words is None or words in found["model-held"].said


def test_a_valkey_is_not_measured_by_the_releases_of_redis() -> None:
    assert told(streams=StreamFacts(flavour="valkey", version="8.2.1", redis_version="7.2.4")) == {}


@pytest.mark.parametrize("version", ["6.2.14", "", "5"])
def test_a_redis_that_is_too_old_is_a_fault(version: str) -> None:
    assert told(streams=StreamFacts(version=version, redis_version=version))["redis-version"].level is Level.FAULT


def test_a_door_that_strangers_reach_without_a_key_is_told_of_until_there_is_one() -> None:
    assert told(open_network=True, ledger=LedgerFacts(locked=False))["unlocked"].level is Level.WARNING
    assert told(open_network=True, ledger=LedgerFacts(locked=True)) == {}
    assert told(open_network=False, ledger=LedgerFacts(locked=False)) == {}


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_postgres_that_can_lose_what_it_promised_is_a_fault(name: str) -> None:
    found = told(ledger=LedgerFacts(settings={name: "off"}))["postgres-durability"]
    assert (found.level, found.subject) == (Level.FAULT, name)


def test_an_old_postgres_a_standby_and_one_without_connections_left_are_named() -> None:
    settings = {"server_version_num": "130011", "server_version": "13.11", "max_connections": "100"}
    found = told(ledger=LedgerFacts(settings=settings, in_recovery=True, connections=95))
    assert set(found) == {"postgres-version", "postgres-role", "postgres-connections"}


@pytest.mark.parametrize(
    ("info", "check"),
    [
        ({"aof_last_write_status": "err"}, "redis-disk"),
        ({"rdb_last_bgsave_status": "err"}, "redis-disk"),
        ({"role": "slave"}, "redis-role"),
        ({"evicted_keys": "3"}, "redis-evicted"),
        ({"aof_enabled": "1", "appendfsync": "no"}, "redis-fsync"),
    ],
)
def test_what_redis_says_of_its_own_trouble_is_passed_on(info: dict[str, str], check: str) -> None:
    assert set(told(streams=replace(HEALTHY.streams or StreamFacts(), info=info))) == {check}


@pytest.mark.parametrize(("ahead", "way"), [(30.0, "ahead of"), (-30.0, "behind")])
def test_clocks_that_differ_are_named(ahead: float, way: str) -> None:
    found = told(ledger=LedgerFacts(clock_ahead_s=ahead))["clock"]
    assert f"30 s {way} this host's" in found.said and found.subject == "PostgreSQL"
    assert told(streams=replace(HEALTHY.streams or StreamFacts(), clock_ahead_s=ahead))["clock"].subject == "Redis"


@pytest.mark.parametrize(("there", "ahead"), [(105.0, 0.0), (100.0, 0.0), (110.0, 0.0), (115.0, 5.0), (97.0, -3.0)])
def test_a_clock_is_only_wrong_by_what_the_round_trip_cannot_explain(there: float, ahead: float) -> None:
    assert ahead_s(there, before=100.0, after=110.0) == ahead


@pytest.mark.parametrize(("free", "level"), [(None, None), (10**10, None), (3 * 10**8, "warning"), (10**7, "fault")])
def test_a_disk_that_runs_full_is_a_warning_and_then_a_fault(free: int | None, level: str | None) -> None:
    found = told(disk_free_bytes=free)
    assert (found["disk"].level if found else None) == level


def test_agents_that_cannot_be_loaded_are_a_fault_and_make_no_route_foreign() -> None:
    streams = replace(HEALTHY.streams or StreamFacts(), routes=[RouteLook("retrieve", True, True, 3)])
    assert set(told(agents_error="no module", streams=streams)) == {"agents"}


def test_names_of_workers_that_are_gone_are_only_counted_when_they_are_many() -> None:
    def streams(count: int) -> StreamFacts:
        names = [ConsumerLook(f"w{number}", 0, 1e6) for number in range(count)] + [ConsumerLook("live", 0, 0.1)]
        return replace(HEALTHY.streams or StreamFacts(), routes=[RouteLook("r", True, True, consumers=names)])

    assert told(routes=["r"], streams=streams(99)) == {}
    assert set(told(routes=["r"], streams=streams(100))) == {"stale-names"}


@pytest.mark.parametrize(("seen_s", "missed"), [(2.0, False), (60.0, True), (86_400.0, False)])
def test_a_process_is_missed_for_an_hour(seen_s: float, missed: bool) -> None:
    ledger = LedgerFacts(instances=[Instance("w1", "worker", 90_000.0, seen_s)])
    assert ("instance-gone" in told(ledger=ledger)) is missed


def test_a_backlog_is_a_warning_until_requests_are_refused_for_it_and_none_where_nobody_works() -> None:
    def level(oldest_s: float, **more: Any) -> Level | None:
        found = told(ledger=LedgerFacts(waits={"r": oldest_s}, **more)).get("backlog")
        return found.level if found else None

    assert [level(wait) for wait in (9.0, 11.0, 31.0)] == [None, Level.WARNING, Level.FAULT]
    assert level(31.0, stalled={"r": Sample(1)}) is None, "that is another finding, and has other advice"
    assert level(31.0, pauses=[Pause("route:r", "", "ann", datetime.now(UTC))]) is None


def test_faults_come_first() -> None:
    ledger = LedgerFacts(clock_ahead_s=30.0, overdue=Sample(1, ("resp_1",), 60.0), feed_behind=Sample(1))
    levels = [finding.level for finding in examine(replace(HEALTHY, ledger=ledger))]
    assert levels == [Level.FAULT, Level.WARNING, Level.WARNING]


def test_only_what_lasts_for_two_looks_is_confirmed_as_the_second_saw_it() -> None:
    def finding(check: str, subject: str, said: str = "") -> Finding:
        return Finding(check, Level.FAULT, subject, said, "")

    first = [finding("a", "x", "old"), finding("b", "x"), finding("c", "")]
    second = [finding("a", "x", "new"), finding("b", "y")]
    assert confirmed(first, second) == [finding("a", "x", "new")]


def test_events_that_two_workers_hold_for_a_moment_each_are_not_taken_for_one_that_they_keep() -> None:
    def look(*events: str) -> list[Finding]:
        owners = dict.fromkeys(events, ("ann", "bob"))
        return list(examine(replace(HEALTHY, streams=replace(HEALTHY.streams or StreamFacts(), owners=owners))))

    assert confirmed(look("resp_1/1/2"), look("resp_2/1/2")) == []
    (kept,) = confirmed(look("resp_1/1/2", "resp_3/1/1"), look("resp_2/1/2", "resp_3/1/1"))
    assert kept.subject == "resp_3/1/1" and "ann, bob" in kept.said


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (600, "10 minutes"), (7_300, "2 hours"), (400_000, "5 days")]
)
def test_lengths_of_time_are_told_in_a_fitting_unit(seconds: float, text: str) -> None:
    assert lasted(seconds) == text


ROOT = Path(__file__).parents[2]


def test_every_finding_is_documented_and_every_documented_finding_exists() -> None:
    code = "".join(path.read_text() for path in (ROOT / "agent/doctor").glob("*.py"))
    made = set(re.findall(r'(?:fault|warning|judge)\(\s*"([a-z-]+)"|Finding\("([a-z-]+)"', code))
    page = (ROOT / "docs/operations.md").read_text().split("## The doctor\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| (?:fault|warning) \|", page, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    assert documented == {one or other for one, other in made}
