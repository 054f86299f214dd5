"""Who lives, on the twin and on PostgreSQL."""

from __future__ import annotations

from agent.presence import ALIVE_S
from tests.contract.backends import Store


async def alive(store: Store) -> list[tuple[str, str]]:
    return [(row.kind, row.id) for row in await store.presence.alive()]


async def test_every_kind_of_process_can_say_that_it_lives(store: Store) -> None:
    await store.presence.here("w", "worker", "1.0")
    await store.presence.here("a", "api", "1.0")
    await store.presence.here("r", "relay", "1.0")
    await store.presence.here("j", "jobs", "1.0")
    assert await alive(store) == [("api", "a"), ("jobs", "j"), ("relay", "r"), ("worker", "w")]


async def test_a_process_that_was_not_heard_of_for_a_moment_is_gone_until_it_speaks_again(store: Store) -> None:
    await store.presence.here("a", "api", "1.0")
    await store.advance(ALIVE_S)
    assert await alive(store) == []
    await store.presence.here("a", "api", "1.0")
    assert await alive(store) == [("api", "a")]


async def test_a_process_that_ends_in_order_is_gone_at_once(store: Store) -> None:
    await store.presence.here("a", "api", "1.0")
    await store.presence.here("b", "api", "1.0")
    await store.presence.gone("a")
    assert await alive(store) == [("api", "b")]


async def test_the_beginning_of_a_process_stays_what_it_was(store: Store) -> None:
    await store.presence.here("a", "api", "1.0")
    (before,) = await store.presence.alive()
    await store.advance(1)
    await store.presence.here("a", "api", "1.0")
    (after,) = await store.presence.alive()
    assert after.started_at == before.started_at
    assert after.release == "1.0"


async def test_processes_are_forgotten_after_a_day(store: Store) -> None:
    await store.presence.here("old", "worker", "1.0")
    await store.advance(3_600)
    await store.presence.here("new", "worker", "1.0")
    assert await store.instances() == ["new", "old"]
    await store.advance(86_400 - 3_500)
    await store.presence.here("newest", "worker", "1.0")
    assert await store.instances() == ["new", "newest"]
