"""What the door reads of runs that somebody watches, on the twin and on PostgreSQL."""

from __future__ import annotations

from agent.outcome import Postpone
from agent.ports import Place
from tests.contract.backends import Store
from tests.contract.toys import advance, begun, finish, new_run, opened, standing


async def shown_begun(store: Store) -> bool:
    view = await store.ledger.view("resp_1", "default")
    assert view is not None
    return view.begun


async def test_where_open_runs_stand_is_known_and_those_that_ended_stand_nowhere(store: Store) -> None:
    first = await opened(store, new_run("resp_1"))
    second = await opened(store, new_run("resp_2"))
    assert await store.ledger.places(["resp_1", "resp_2", "resp_3"]) == {
        "resp_1": Place(1, 1, False),
        "resp_2": Place(1, 1, False),
    }
    assert await store.ledger.commit(await begun(store, first), advance())
    assert await store.ledger.commit(await begun(store, second), finish())
    assert await store.ledger.places(["resp_1", "resp_2"]) == {"resp_1": Place(1, 2, True)}
    assert await store.ledger.places([]) == {}


async def test_a_run_is_begun_from_its_first_delivery_on_whatever_becomes_of_that(store: Store) -> None:
    pointer = await opened(store, new_run())
    assert not await shown_begun(store)
    attempt = await begun(store, pointer)
    assert await shown_begun(store)
    assert (await store.ledger.places(["resp_1"]))["resp_1"].begun
    assert await store.ledger.commit(attempt, Postpone(0.0, "server", "again"))
    assert await shown_begun(store)
    await store.ledger.hand_back(await begun(store, await standing(store)))
    assert await shown_begun(store)
    assert await store.ledger.commit(await begun(store, await standing(store)), finish())
    assert await shown_begun(store)


async def test_what_happened_in_a_generation_is_read_in_order(store: Store) -> None:
    pointer = await opened(store, new_run())
    assert await store.ledger.commit(await begun(store, pointer), advance())
    assert await store.ledger.commit(await begun(store, await standing(store)), finish())
    found = list(await store.ledger.happened("resp_1", 1))
    assert found == await store.events("resp_1")
    assert [event.key.seq for event in found] == [1, 2, 3]
    assert list(await store.ledger.happened("resp_1", 2)) == []
    assert list(await store.ledger.happened("resp_2", 1)) == []
