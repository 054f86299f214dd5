"""The promises about idempotency keys, on the twin and on PostgreSQL: one key, one run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.errors import KeyTaken, Refused
from agent.ports import NewRun, OnceKey
from tests.contract.backends import Store
from tests.contract.toys import begun, finish, new_run

LIVES_S = 3_600.0


def keyed(name: str, key: str = "k1", body: bytes = b"same body", **changes: Any) -> NewRun:
    return new_run(name, once=OnceKey(key, body, LIVES_S), **changes)


async def test_a_key_that_comes_again_with_its_body_means_its_first_run(store: Store) -> None:
    assert await store.ledger.open(keyed("resp_1")) == "resp_1"
    assert await store.ledger.open(keyed("resp_2")) == "resp_1"
    assert await store.work("resp_2") is None
    assert await store.events("resp_2") == []
    assert await store.ledger.view("resp_2", "default") is None


async def test_a_key_still_means_its_run_once_that_has_ended(store: Store) -> None:
    new = keyed("resp_1")
    await store.ledger.open(new)
    assert await store.ledger.commit(await begun(store, new.pointer), finish())
    assert await store.ledger.open(keyed("resp_2")) == "resp_1"
    assert await store.due() == []


async def test_a_key_with_another_body_is_taken_and_opens_nothing(store: Store) -> None:
    await store.ledger.open(keyed("resp_1"))
    with pytest.raises(KeyTaken, match="resp_1"):
        await store.ledger.open(keyed("resp_2", body=b"another body"))
    assert await store.ledger.view("resp_2", "default") is None


async def test_many_openers_of_one_key_at_once_open_one_run(store: Store) -> None:
    names = [f"resp_{n:02}" for n in range(40)]
    mixed = [keyed(name, key=f"k{n % 3}") for n, name in enumerate(names)]
    opened = await asyncio.gather(*(store.ledger.open(new) for new in mixed), store.ledger.open(new_run("resp_plain")))
    found = {pointer.run for pointer in await store.due()}
    assert found == set(opened)
    assert len(found) == 4
    assert all(len(set(opened[n:40:3])) == 1 for n in range(3)), "every opener of a key was told the same run"


async def test_among_many_openers_of_one_key_those_with_another_body_are_told(store: Store) -> None:
    bodies = (b"same body", b"another body")
    tries = [store.ledger.open(keyed(f"resp_{n}", body=bodies[n % 2])) for n in range(10)]
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, KeyTaken) for one in told) == 5
    assert len(await store.due()) == 1


async def test_the_same_key_in_another_project_is_another_key(store: Store) -> None:
    await store.project("other")
    assert await store.ledger.open(keyed("resp_1")) == "resp_1"
    assert await store.ledger.open(keyed("resp_2", project="other")) == "resp_2"


async def test_opening_the_same_run_again_with_its_key_is_harmless(store: Store) -> None:
    assert await store.ledger.open(keyed("resp_1")) == "resp_1"
    assert await store.ledger.open(keyed("resp_1")) == "resp_1"
    assert len(await store.events("resp_1")) == 1


async def test_a_key_whose_time_is_over_opens_a_run_of_its_own(store: Store) -> None:
    await store.ledger.open(keyed("resp_1"))
    await store.advance(LIVES_S + 1)
    assert await store.callers.known("default", "k1", b"same body") is None
    assert await store.ledger.open(keyed("resp_2", body=b"another body")) == "resp_2"
    assert await store.ledger.open(keyed("resp_3", body=b"another body")) == "resp_2"


async def test_a_key_ends_with_the_text_of_its_run(store: Store) -> None:
    await store.ledger.open(keyed("resp_1"))
    await store.purge("resp_1")
    assert await store.callers.known("default", "k1", b"same body") is None
    assert await store.ledger.open(keyed("resp_2")) == "resp_2"


async def test_a_run_that_cannot_be_stored_leaves_its_key_free(store: Store) -> None:
    with pytest.raises(Refused):
        await store.ledger.open(keyed("resp_1", request='{"a": "\x00"}'))
    assert await store.callers.known("default", "k1", b"same body") is None
    assert await store.ledger.open(keyed("resp_2")) == "resp_2"


async def test_who_has_a_key_can_be_read_without_opening_anything(store: Store) -> None:
    assert await store.callers.known("default", "k1", b"same body") is None
    await store.ledger.open(keyed("resp_1"))
    assert await store.callers.known("default", "k1", b"same body") == "resp_1"
    assert await store.callers.known("other", "k1", b"same body") is None
    with pytest.raises(KeyTaken):
        await store.callers.known("default", "k1", b"another body")
