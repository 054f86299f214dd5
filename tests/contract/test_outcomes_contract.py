"""The promises of `agent.ports.Ledger` about what a delivery ends in: postponed, buried, refused, all at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.envelope import Sealed
from agent.outcome import Advance, Bury, Postpone, failure_of
from agent.ports import NewRun
from tests.contract.backends import Store
from tests.contract.toys import advance, begun, delivered, finish, new_run, opened, standing


async def test_postponed_work_is_not_due_until_then_and_has_used_up_an_attempt(store: Store) -> None:
    pointer = await opened(store, new_run())
    await begun(store, pointer)
    assert await store.ledger.commit(await begun(store, pointer), Postpone(3_600, "transport", "no line\x00"))
    again = replace(pointer, attempt=2)
    work = await store.work(pointer.run)
    assert work is not None and (work.pointer, work.deliveries) == (again, 0)
    await store.advance(3_000)
    assert await store.ledger.begin(delivered(again)) is None and await store.due() == []
    await store.advance(601)
    assert await store.due() == [again]
    assert await store.ledger.begin(delivered(pointer)) is None, "the attempt before is over"
    assert (await begun(store, again)).deliveries == 1
    closed = (await store.attempts(pointer.run))[1]
    assert (closed.outcome, closed.settled, closed.error_kind) == ("postpone", True, "transport")
    assert closed.error == "no line\ufffd"


async def test_postponing_uncounted_burns_no_attempt(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.commit(await begun(store, pointer), Postpone(60, "unfamiliar", "newer", counted=False))
    assert await store.ledger.begin(delivered(pointer)) is None
    await store.advance(61)
    parked = await begun(store, pointer)
    assert (parked.pointer.attempt, parked.deliveries) == (1, 1)


async def test_a_late_note_about_its_entry_does_not_hold_up_work_that_was_postponed(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.commit(await begun(store, pointer), Postpone(1, "previous", "not yet", counted=False))
    await store.ledger.published({pointer: "1-0"})
    work = await store.work(pointer.run)
    assert work is not None and work.entry is None, "nothing carries it, so it is published once it is due"


async def test_burying_leaves_a_dead_letter_and_a_typed_failure(store: Store) -> None:
    pointer = await opened(store, new_run())
    newest = Sealed("toy.counted", 1, '{"total": 1e2,  "b":1.0}')
    await store.ledger.commit(await begun(store, pointer), Advance((newest,), "second"))
    at = await standing(store)
    buried = Bury("rejected", "the endpoint said \x00 no", failure_of("rejected"))
    assert await store.ledger.commit(await begun(store, at), buried)
    view = await store.ledger.view(pointer.run, pointer.project)
    assert view is not None and view.ending is not None
    assert (view.status, view.ending.type) == ("failed", "run.failed")
    assert '"code":"rejected"' in view.ending.data and "said" not in view.ending.data
    (letter,) = await store.dead_letters()
    assert letter.pointer is not None and letter.pointer.key == at.key
    assert (letter.route, letter.pointer.attempt, letter.kind) == ("second", 1, "rejected")
    assert letter.reason == "the endpoint said \ufffd no"
    assert '1e2,  \\"b\\":1.0' in letter.body, "the event stands in it byte for byte"
    assert await store.work(pointer.run) is None
    failure = (await store.events(pointer.run))[-1].sealed
    assert (failure.type, failure.agent, failure.trace) == ("run.failed", "toy@1.0.0+ab12cd34", "00-trace")
    assert failure.prompt == "answer@1.0.0+ab12cd34"


async def test_events_of_an_unfamiliar_type_come_back_as_they_were(store: Store) -> None:
    pointer = await opened(store, new_run())
    strange = Sealed("from.the.future", 7, '{ "b":1.0,"a":1e2,\n"é":"\\u0000" }', "a@9", "p@2+ff", "00-t")
    await store.ledger.commit(await begun(store, pointer), Advance((strange,), "tomorrow"))
    at = await standing(store)
    assert at.route == "tomorrow"
    assert (await begun(store, at)).events[-1].sealed == strange


@pytest.mark.parametrize("bad", ['{"total":"\x00"}', '{"total":"\ud800"}'], ids=["nul", "surrogate"])
async def test_what_the_store_refuses_is_buried_alone_and_its_neighbours_succeed(store: Store, bad: str) -> None:
    runs = [new_run(f"resp_{n}") for n in range(9)]
    await asyncio.gather(*(store.ledger.open(new) for new in runs))
    attempts = await asyncio.gather(*(begun(store, new.pointer) for new in runs))
    poison = Advance((Sealed("toy.counted", 1, bad),), "second")
    outcomes = [poison if n == 4 else advance(n) for n in range(9)]
    won = await asyncio.gather(*map(store.ledger.commit, attempts, outcomes))
    assert won == [True] * 9
    view = await store.ledger.view("resp_4", runs[4].project)
    assert view is not None and view.ending is not None
    assert view.status == "failed" and '"code":"unstorable"' in view.ending.data
    assert [letter.kind for letter in await store.dead_letters()] == ["unstorable"]
    assert sorted(pointer.run for pointer in await store.due()) == sorted(f"resp_{n}" for n in range(9) if n != 4)
    assert {pointer.seq for pointer in await store.due()} == {2}


async def test_two_hundred_opens_and_commits_at_once_all_land(store: Store) -> None:
    runs = [new_run(f"resp_{n:03}", start=n) for n in range(200)]

    async def take_two_steps(new: NewRun) -> bool:
        await store.ledger.open(new)
        moved = await store.ledger.commit(await begun(store, new.pointer), advance())
        second = replace(new.pointer, seq=2, route="second")
        return moved and await store.ledger.commit(await begun(store, second), finish(2))

    assert all(await asyncio.gather(*map(take_two_steps, runs)))
    assert await store.due() == []
    assert len(await store.ledger.ended([new.id for new in runs])) == 200
    for new in runs:
        assert [event.key for event in await store.events(new.id)] == [(new.id, 1, 1), (new.id, 1, 2), (new.id, 1, 3)]
