"""The promises of `agent.ports.Ledger` about work that is handed out again, or handed back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.errors import Gone
from agent.outcome import Bury, Postpone, failure_of
from agent.ports import Begun, Delivery
from tests.contract.backends import Store, Transport
from tests.contract.toys import advance, answered, begun, delivered, finish, model_call, new_run, opened, standing
from workers.handle import handle


async def taken_over(store: Store) -> tuple[Begun, Begun]:
    """A delivery whose worker froze, and the one after it."""
    pointer = await opened(store, new_run())
    return await begun(store, pointer, "frozen"), await begun(store, pointer, "heir")


@pytest.mark.parametrize(
    "outcome", [finish(9), advance(9), Postpone(1.0, "transport", "late"), Bury("bug", "late", failure_of("bug"))]
)
async def test_a_worker_that_was_taken_over_settles_nothing_even_if_it_is_first(store: Store, outcome: Bury) -> None:
    pointer = await opened(store, new_run())
    frozen, call = await begun(store, pointer, "frozen"), model_call(status="asked")
    await store.ledger.intend(frozen, call)
    heir = await begun(store, pointer, "heir")
    with pytest.raises(Gone):
        await store.ledger.intend(frozen, model_call("and then?", status="asked"))
    frozen.calls.append(answered(call, '"late"'))
    assert await store.ledger.commit(frozen, outcome) is False
    assert (await standing(store)) == heir.pointer and await store.dead_letters() == []
    assert [(row.status, row.cost_usd) for row in await store.calls("resp_1")] == [("answered", call.cost_usd)]
    assert await store.ledger.commit(heir, finish(1)) is True
    assert {row.worker: row.settled for row in await store.attempts("resp_1")} == {"frozen": False, "heir": True}


async def test_whoever_settles_without_having_begun_is_not_asked_for_the_newest_delivery(store: Store) -> None:
    _, heir = await taken_over(store)
    relay = replace(heir, token="relay", deliveries=0, number=0)
    assert await store.ledger.commit(relay, finish(0)) is True
    assert await store.ledger.commit(heir, finish(1)) is False


async def test_a_delivery_that_is_handed_back_is_not_counted_and_waits_to_be_published(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.published({pointer: "1-0"})
    stopping = await begun(store, pointer, "stopping")
    assert await store.ledger.hand_back(stopping) is True
    work = await store.work(pointer.run)
    assert work is not None
    assert (work.pointer, work.deliveries, work.entry) == (pointer, 0, None)
    assert await store.due() == [pointer]
    again = await store.ledger.begin(replace(delivered(pointer, "next"), entry="2-0"))
    assert again is not None and again.deliveries == 1
    assert await store.ledger.commit(again, finish(1)) is True
    rows = {row.worker: (row.outcome, row.settled) for row in await store.attempts(pointer.run)}
    assert rows == {"stopping": ("handed_back", None), "next": ("advance", True)}


async def test_what_a_worker_hands_over_is_there_for_another_before_any_relay_looks(
    store: Store, transport: Transport
) -> None:
    async def stopping(begun: Begun) -> None:
        return None

    pointer = await opened(store, new_run())
    await transport.streams.publish(pointer)
    (delivery,) = await transport.read(pointer.route, 1)
    assert isinstance(delivery, Delivery)
    await handle(delivery, decide=stopping, ledger=store.ledger, streams=transport.streams)
    (again,) = await transport.read(pointer.route, 2)
    assert isinstance(again, Delivery) and again.pointer == pointer
    assert await transport.streams.take(replace(again, worker="another"))
    assert await store.ledger.begin(again) is not None


async def test_what_a_stopping_worker_was_told_is_kept_and_what_it_had_asked_is_unknown(store: Store) -> None:
    pointer = await opened(store, new_run())
    stopping = await begun(store, pointer)
    told, asked = model_call("one?", status="asked"), model_call("two?", status="asked")
    for call in (told, asked):
        await store.ledger.intend(stopping, call)
    stopping.calls.append(answered(told, '"one"'))
    await store.ledger.hand_back(stopping)
    assert sorted(row.status for row in await store.calls(pointer.run)) == ["answered", "unknown"]
    assert (await begun(store, pointer)).answers == {(told.hash, 0): '"one"'}


async def test_a_worker_that_was_taken_over_cannot_hand_back(store: Store) -> None:
    frozen, heir = await taken_over(store)
    assert await store.ledger.hand_back(frozen) is False
    work = await store.work("resp_1")
    assert work is not None and (work.deliveries, work.entry) == (2, "1-0")
    assert await store.ledger.commit(heir, finish(1)) is True


async def test_work_that_was_handed_back_can_be_settled_by_nobody_before_it_is_begun_again(store: Store) -> None:
    frozen, heir = await taken_over(store)
    assert await store.ledger.hand_back(heir) is True
    assert await store.ledger.commit(frozen, finish(9)) is False
    assert await store.ledger.commit(heir, finish(9)) is False
    assert (await standing(store)) == heir.pointer


async def test_the_ledger_tells_the_entry_that_carries_the_work_from_others(store: Store) -> None:
    pointer = await opened(store, new_run())
    first, second = Delivery(pointer, "1-0", "w1"), Delivery(pointer, "2-0", "w2")
    assert await store.ledger.carries(first) and await store.ledger.carries(second)
    await store.ledger.published({pointer: "2-0"})
    assert [await store.ledger.carries(one) for one in (first, second)] == [False, True]
    assert not await store.ledger.carries(Delivery(replace(pointer, attempt=2), "2-0", "w2"))
    assert not await store.ledger.carries(Delivery(replace(pointer, run="resp_none"), "2-0", "w2"))


async def test_the_ledger_tells_how_often_an_attempt_was_begun(store: Store) -> None:
    await store.ledger.open(new_run())
    delivery = Delivery(new_run().pointer, "1-0", "w1")
    told = [await store.ledger.deliveries(delivery)]
    for _ in range(2):
        assert await store.ledger.begin(delivery)
        told.append(await store.ledger.deliveries(delivery))
    assert told == [0, 1, 2]
    assert await store.ledger.deliveries(replace(delivery, pointer=replace(delivery.pointer, attempt=2))) == 0


async def test_several_deliveries_are_handed_back_at_once(store: Store) -> None:
    attempts = [await begun(store, await opened(store, new_run(f"resp_{n}"))) for n in range(3)]
    assert await store.ledger.commit(attempts[1], finish(1))
    assert [await store.ledger.hand_back(attempt) for attempt in attempts] == [True, False, True]
    assert sorted(pointer.run for pointer in await store.due()) == ["resp_0", "resp_2"]
