"""The promises of `agent.cancels.Cancels`: cancelling, deadlines and outcomes race for one row, and one wins."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.cancels import Cancelled
from agent.events import CancelledBy
from agent.outcome import Bury, Postpone, failure_of
from tests.contract.backends import Store
from tests.contract.toys import advance, answered, begun, delivered, finish, model_call, new_run, opened, standing

ENDINGS = {"toy.finished": "completed", "run.cancelled": "cancelled", "run.failed": "failed"}


async def ending(store: Store, run: str = "resp_1") -> tuple[str, list[str]]:
    """The status of a run, and the types of the endings among its events."""
    view = await store.ledger.view(run, "default")
    assert view is not None
    return view.status, [it.sealed.type for it in await store.events(run) if it.sealed.type in ENDINGS]


@pytest.mark.parametrize("by", ["client", "disconnect", "operator"])
async def test_a_cancelled_run_has_ended_and_says_by_whom(store: Store, by: CancelledBy) -> None:
    pointer = await opened(store, new_run())
    assert await store.cancels.cancel("resp_1", "default", by) is Cancelled.DONE
    assert await ending(store) == ("cancelled", ["run.cancelled"])
    last = (await store.events("resp_1"))[-1]
    assert last.key == (pointer.run, 1, 2)
    assert (last.sealed.data, last.sealed.agent) == (f'{{"by":"{by}"}}', "toy@1.0.0+ab12cd34")
    assert last.sealed.prompt == "answer@1.0.0+ab12cd34"
    assert await store.work("resp_1") is None and await store.ledger.ended(["resp_1"]) == ["resp_1"]


async def test_a_run_can_be_cancelled_in_every_state(store: Store) -> None:
    waiting, held, later, parked = [await opened(store, new_run(f"resp_{n}")) for n in range(4)]
    await begun(store, held)
    await store.ledger.commit(await begun(store, later), Postpone(3_600, "transport", "no line"))
    await store.ledger.commit(await begun(store, parked), Postpone(5, "unfamiliar", "newer", counted=False))
    for pointer in (waiting, held, later, parked):
        assert await store.cancels.cancel(pointer.run, None, "operator") is Cancelled.DONE
        assert await ending(store, pointer.run) == ("cancelled", ["run.cancelled"])


async def test_cancelling_twice_changes_nothing(store: Store) -> None:
    await opened(store, new_run())
    await store.cancels.cancel("resp_1", "default", "client")
    first = await store.ledger.view("resp_1", "default")
    assert await store.cancels.cancel("resp_1", "default", "operator") is Cancelled.OVER
    assert await store.ledger.view("resp_1", "default") == first


async def test_a_run_that_ended_stays_as_it_is(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.commit(await begun(store, pointer), finish())
    assert await store.cancels.cancel("resp_1", "default", "client") is Cancelled.OVER
    assert await ending(store) == ("completed", ["toy.finished"])


async def test_a_run_of_another_project_or_of_nobody_is_not_there(store: Store) -> None:
    await opened(store, new_run())
    await store.project("other")
    assert await store.cancels.cancel("resp_1", "other", "client") is Cancelled.UNKNOWN
    assert await store.cancels.cancel("resp_9", None, "operator") is Cancelled.UNKNOWN
    assert await standing(store) == new_run().pointer


async def test_an_answer_that_comes_after_the_cancel_is_billed_and_never_shown(store: Store) -> None:
    pointer = await opened(store, new_run())
    late = await begun(store, pointer)
    call = model_call(status="asked")
    await store.ledger.intend(late, call)
    await store.cancels.cancel("resp_1", "default", "client")
    shown = await store.ledger.view("resp_1", "default")
    late.calls.append(answered(call, '"the answer"'))
    assert not await store.ledger.commit(late, finish())
    assert await ending(store) == ("cancelled", ["run.cancelled"])
    assert await store.ledger.view("resp_1", "default") == shown
    (billed,) = await store.calls("resp_1")
    assert (billed.status, billed.usage.input_tokens) == ("answered", 10)
    (attempt,) = await store.attempts("resp_1")
    assert (attempt.outcome, attempt.settled) == ("advance", False)


async def test_nobody_begins_work_of_a_cancelled_run(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.cancels.cancel("resp_1", "default", "client")
    assert await store.ledger.begin(delivered(pointer)) is None and await store.due() == []


async def test_a_replay_is_not_taken_for_cancelled(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.commit(await begun(store, pointer), Bury("rejected", "no", failure_of("rejected")))
    (letter,) = await store.dead_letters()
    await store.letters.replay([letter.id], "tester")
    assert await store.cancels.cancel("resp_1", "default", "client") is Cancelled.DONE
    assert (await store.events("resp_1"))[-1].key == ("resp_1", 2, 2)
    assert (await ending(store))[0] == "cancelled"


async def test_a_run_past_its_deadline_fails_whatever_state_it_is_in(store: Store) -> None:
    pointers = [await opened(store, new_run(f"resp_{n}", deadline_s=50)) for n in range(5)]
    _, held, later, parked, published = pointers
    await begun(store, held)
    await store.ledger.commit(await begun(store, later), Postpone(3_600, "transport", "no line"))
    await store.ledger.commit(await begun(store, parked), Postpone(5, "unfamiliar", "newer", counted=False))
    await store.ledger.published({published: "7-0"})
    await opened(store, new_run("resp_young", deadline_s=90))
    assert await store.end_overdue() == []
    await store.advance(60)
    assert sorted(await store.end_overdue()) == [pointer.run for pointer in pointers]
    for pointer in pointers:
        assert await ending(store, pointer.run) == ("failed", ["run.failed"])
        assert '"code":"deadline_exceeded"' in (await store.events(pointer.run))[-1].sealed.data
    assert await store.end_overdue() == [] and await store.work("resp_young") is not None


async def test_of_a_cancel_a_deadline_and_an_ending_exactly_one_wins(store: Store) -> None:
    runs = [new_run(f"resp_{n:02}", deadline_s=50) for n in range(40)]
    await asyncio.gather(*(store.ledger.open(new) for new in runs))
    attempts = await asyncio.gather(*(begun(store, new.pointer) for new in runs))
    await store.advance(60)
    cancels = (store.cancels.cancel(new.id, "default", "client") for new in reversed(runs) for _ in range(2))
    won, cancelled, overdue = await asyncio.gather(
        asyncio.gather(*(store.ledger.commit(one, finish()) for one in attempts)),
        asyncio.gather(*cancels),
        store.end_overdue(),
    )
    assert sum(won) + cancelled.count(Cancelled.DONE) + len(overdue) == len(runs)
    for new in runs:
        status, endings = await ending(store, new.id)
        assert endings == [next(kind for kind, it in ENDINGS.items() if it == status)]
        assert [event.key.seq for event in await store.events(new.id)] == [1, 2]


async def test_a_cancel_that_meets_a_step_takes_the_run_where_it_stands_then(store: Store) -> None:
    runs = [new_run(f"resp_{n:02}") for n in range(40)]
    await asyncio.gather(*(store.ledger.open(new) for new in runs))
    attempts = await asyncio.gather(*(begun(store, new.pointer) for new in runs))
    moved, cancelled = await asyncio.gather(
        asyncio.gather(*(store.ledger.commit(one, advance()) for one in attempts)),
        asyncio.gather(*(store.cancels.cancel(new.id, None, "client") for new in runs)),
    )
    assert set(cancelled) == {Cancelled.DONE}
    for new, first in zip(runs, moved, strict=True):
        assert [event.key.seq for event in await store.events(new.id)] == ([1, 2, 3] if first else [1, 2])
        assert await store.ledger.begin(delivered(replace(new.pointer, seq=2, route="second"))) is None
