"""Pauses, on the twin and on PostgreSQL."""

from __future__ import annotations

from agent.pauses import INTAKE, of_route
from tests.contract.backends import Store


async def stopped(store: Store) -> list[tuple[str, str, str]]:
    return [(pause.scope, pause.reason, pause.by) for pause in await store.pauses.pauses()]


async def test_a_pause_stands_with_its_reason_until_it_is_lifted(store: Store) -> None:
    assert await store.pauses.pause(INTAKE, "the model is down", "ann")
    assert await stopped(store) == [("intake", "the model is down", "ann")]
    assert await store.pauses.resume(INTAKE, "bob")
    assert await stopped(store) == []


async def test_pausing_twice_keeps_the_first_and_says_so(store: Store) -> None:
    assert await store.pauses.pause(of_route("generate"), "first", "ann")
    assert not await store.pauses.pause(of_route("generate"), "second", "bob")
    assert await stopped(store) == [("route:generate", "first", "ann")]


async def test_resuming_what_is_not_paused_changes_nothing(store: Store) -> None:
    await store.pauses.pause(INTAKE, "", "ann")
    assert not await store.pauses.resume(of_route("generate"), "bob")
    assert [pause.scope for pause in await store.pauses.pauses()] == [INTAKE]


async def test_only_what_changed_something_is_on_the_audit(store: Store) -> None:
    await store.pauses.pause(INTAKE, "", "ann")
    await store.pauses.pause(INTAKE, "", "ann")
    await store.pauses.resume(INTAKE, "bob")
    await store.pauses.resume(INTAKE, "bob")
    told = [(row.actor, row.action, row.subject) for row in await store.audit()]
    assert told == [("ann", "pause", INTAKE), ("bob", "resume", INTAKE)]


async def test_a_reason_that_no_store_takes_is_cleaned_and_not_refused(store: Store) -> None:
    assert await store.pauses.pause(INTAKE, "nul \x00 and \udc80", "ann\x00")
    ((_, reason, by),) = await stopped(store)
    assert "\x00" not in reason + by and reason.startswith("nul ")
