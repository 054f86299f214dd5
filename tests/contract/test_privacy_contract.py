"""The promises of `agent.privacy.Privacy`: whose texts go, when, and that none comes back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agent.adapters.ledger.queries import sql
from agent.letters import Refusal
from agent.outcome import Bury, Postpone, failure_of
from agent.ports import NewRun, OnceKey
from tests.contract.backends import Store
from tests.contract.real import RealStore
from tests.contract.toys import answered, begun, finish, model_call, new_run, opened, standing

GRACE_S = 600.0
SECRET = "marmalade"
PROJECT = "default"
WAITING = """
select exists (
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
"""


def unstored(name: str = "resp_1", request: str = "{}") -> NewRun:
    return replace(new_run(name, holder="api/1", request=request), store=False)


async def ended(store: Store, new: NewRun) -> None:
    await store.ledger.commit(await begun(store, await opened(store, new)), finish())


async def purged(store: Store) -> int:
    await store.feed()
    return await store.privacy.purge(GRACE_S, 100)


async def test_a_purged_run_keeps_its_numbers_and_no_text(store: Store) -> None:
    pointer = await opened(store, unstored(request=f'{{"messages":[],"instructions":"{SECRET}"}}'))
    first = await begun(store, pointer)
    first.calls.append(model_call(SECRET, answer=f'"{SECRET}"'))
    await store.ledger.commit(first, Postpone(0, "transport", SECRET))
    await store.ledger.commit(await begun(store, await standing(store)), Bury("bug", SECRET, failure_of("bug")))
    before = await store.ledger.view("resp_1", PROJECT)
    await store.callers.delivered({"resp_1": "api/1"})
    assert before is not None and await purged(store) == 1
    after = await store.ledger.view("resp_1", PROJECT)
    assert after == replace(before, request="", ending=None, deleted=True)
    rows = (await store.events("resp_1"), await store.attempts("resp_1"), await store.calls("resp_1"))
    assert [len(kind) for kind in rows] == [2, 2, 1]
    assert SECRET not in repr((rows, await store.dead_letters()))
    assert [it.error_kind for it in rows[1]] == ["transport", "bug"]
    assert rows[2][0].usage.input_tokens == 10
    assert await purged(store) == 0


async def test_what_is_written_of_a_purged_run_later_has_no_text(store: Store) -> None:
    pointer = await opened(store, unstored())
    zombie, later = await begun(store, pointer), await begun(store, pointer)
    await store.ledger.intend(later, call := model_call(SECRET, "asked"))
    await store.ledger.commit(later, finish())
    await store.callers.delivered({"resp_1": "api/1"})
    assert await purged(store) == 1
    call.error = SECRET
    later.calls.append(answered(call, f'"{SECRET}"'))
    await store.ledger.record(later)
    zombie.calls.append(model_call(SECRET, answer=f'"{SECRET}"'))
    assert not await store.ledger.commit(zombie, Postpone(0, "transport", SECRET))
    assert SECRET not in repr((await store.calls("resp_1"), await store.attempts("resp_1")))
    assert [it.usage.input_tokens for it in await store.calls("resp_1")] == [10, 10], "a bill is a bill"


async def test_a_response_that_is_not_to_be_stored_is_purged_once_it_was_delivered(store: Store) -> None:
    await opened(store, unstored("resp_open"))
    await ended(store, unstored("resp_waiting"))
    await ended(store, unstored("resp_delivered"))
    await ended(store, new_run("resp_stored", holder="api/1"))
    runs = ("resp_open", "resp_waiting", "resp_delivered", "resp_stored")
    await store.callers.delivered(dict.fromkeys(("resp_delivered", "resp_stored"), "api/1"))
    assert await purged(store) == 1
    views = [await store.ledger.view(run, PROJECT) for run in runs]
    assert [view.deleted for view in views if view] == [False, False, True, False]


async def test_one_that_nobody_came_for_is_purged_after_the_grace(store: Store) -> None:
    await ended(store, unstored())
    await store.advance(GRACE_S - 60)
    assert await purged(store) == 0
    await store.advance(61)
    assert await purged(store) == 1


async def test_one_whose_caller_hung_up_is_purged_at_once(store: Store) -> None:
    await opened(store, unstored())
    await store.cancels.cancel("resp_1", PROJECT, "disconnect")
    assert await purged(store) == 1


async def test_what_somebody_deleted_is_hidden_at_once_and_purged_once_it_has_ended(store: Store) -> None:
    pointer = await opened(store, new_run())
    assert await store.privacy.forget("resp_1", PROJECT)
    assert not await store.privacy.forget("resp_1", PROJECT)
    view = await store.ledger.view("resp_1", PROJECT)
    assert view is not None and view.deleted and await purged(store) == 0
    await store.ledger.commit(await begun(store, pointer), finish())
    assert await purged(store) == 1


async def test_nobody_deletes_the_run_of_another_project(store: Store) -> None:
    await ended(store, new_run())
    await store.project("other")
    assert not await store.privacy.forget("resp_1", "other")
    assert not await store.privacy.forget("resp_2", PROJECT)
    assert await purged(store) == 0


async def test_a_key_whose_run_was_deleted_opens_a_new_one(store: Store) -> None:
    once = OnceKey("k1", b"body", 1_000)
    await ended(store, new_run(once=once))
    await store.privacy.forget("resp_1", PROJECT)
    assert await store.callers.known(PROJECT, "k1", b"body") is None
    assert await store.ledger.open(new_run("resp_2", once=once)) == "resp_2"


async def test_a_deleted_failure_cannot_be_replayed(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.commit(await begun(store, pointer), Bury("bug", "it broke", failure_of("bug")))
    await store.privacy.forget("resp_1", PROJECT)
    assert [it.refused for it in await store.letters.replay(["resp_1/1/1"], "me")] == [Refusal.GONE]
    await purged(store)
    assert [it.refused for it in await store.letters.replay(["resp_1/1/1"], "me")] == [Refusal.GONE]


async def test_stored_responses_expire_in_batches_the_oldest_first(store: Store) -> None:
    for number in range(3):
        await ended(store, new_run(f"resp_{number}"))
        await store.advance(100)
    await opened(store, new_run("resp_open"))
    await store.advance(50)
    await ended(store, new_run("resp_young"))
    await store.feed()
    assert [await store.privacy.expire(40, 2) for _ in range(3)] == [2, 1, 0]
    assert [await store.privacy.purge(GRACE_S, 2) for _ in range(3)] == [2, 1, 0]
    views = [await store.ledger.view(f"resp_{it}", PROJECT) for it in (0, 1, 2, "open", "young")]
    assert [view.deleted for view in views if view] == [True, True, True, False, False]


async def test_the_feed_tells_what_happened_before_it_is_forgotten_but_the_grace_does_not_wait(
    real_store: Store,
) -> None:
    store = real_store
    await ended(store, unstored())
    await store.callers.delivered({"resp_1": "api/1"})
    assert await store.privacy.purge(GRACE_S, 100) == 0
    assert await store.privacy.purge(0.0, 100) == 1


async def test_a_bill_that_is_being_written_is_waited_for(real_store: RealStore) -> None:
    await ended(real_store, unstored())
    async with real_store.pool.acquire() as writer, writer.transaction():
        await writer.fetch("select from runs where id = 'resp_1' for key share")  # as `record_calls` takes it
        assert await real_store.privacy.purge(0.0, 100) == 0
    assert await real_store.privacy.purge(0.0, 100) == 1


async def test_a_bill_that_meets_the_purge_is_written_without_its_text(real_store: RealStore) -> None:
    late = await begun(real_store, await opened(real_store, unstored()))
    await real_store.ledger.commit(await begun(real_store, late.pointer), finish())
    late.calls.append(model_call(SECRET, answer=f'"{SECRET}"'))
    async with real_store.pool.acquire() as purging, purging.transaction():
        await purging.fetch(sql("purge_due"), 0.0, 100)
        await purging.execute(sql("purge"), ["resp_1"])
        recording = asyncio.create_task(real_store.ledger.record(late))
        while not (recording.done() or await real_store.pool.fetchval(WAITING)):
            pass
    await recording
    rows = await real_store.pool.fetch("select calls::text as whole from calls")
    assert len(rows) == 1 and SECRET not in rows[0]["whole"]
