"""The promises of `agent.ports.Ledger`, on the twin and on PostgreSQL: opening, fencing, moving on, ending."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.envelope import seal
from agent.errors import Refused
from agent.outcome import Advance, Bury, failure_of
from agent.ports import Delivery, Unreadable
from tests.contract.backends import Store
from tests.contract.toys import Counted, Finished, Noted, advance, begun, delivered, finish, new_run, opened, standing


async def test_opening_writes_the_run_its_first_event_and_its_work(store: Store) -> None:
    new = new_run()
    await store.ledger.open(new)
    view = await store.ledger.view(new.id, new.project)
    assert view is not None
    assert (view.status, view.generation, view.agent, view.request) == ("in_progress", 1, "toy", new.request)
    assert view.ending is None and view.ended_at is None
    assert (view.deadline - view.created_at).total_seconds() == pytest.approx(100_000, abs=1)
    assert [(event.key.generation, event.key.seq, event.sealed) for event in await store.events(new.id)] == [
        (1, 1, new.first)
    ]
    work = await store.work(new.id)
    assert work is not None
    assert (work.pointer, work.deliveries, work.entry) == (new.pointer, 0, None)
    assert await store.due() == [new.pointer]


async def test_opening_twice_is_harmless_and_the_first_wins(store: Store) -> None:
    pointer = await opened(store, new_run(start=1))
    await store.ledger.commit(await begun(store, pointer), advance())
    await store.ledger.open(new_run(start=2, agent_version="2.0.0+ab12cd34"))
    view = await store.ledger.view(pointer.run, pointer.project)
    assert view is not None and view.agent_version == "1.0.0+ab12cd34"
    assert (await standing(store)).seq == 2
    assert len(await store.events(pointer.run)) == 2


async def test_two_opens_of_one_run_in_the_same_moment_are_one(store: Store) -> None:
    await asyncio.gather(*(store.ledger.open(new_run(name)) for name in ("resp_1", "resp_1", "resp_2")))
    assert len(await store.due()) == 2
    assert len(await store.events("resp_1")) == 1


async def test_a_run_that_cannot_be_stored_is_refused_and_its_neighbour_opens(store: Store) -> None:
    results = await asyncio.gather(
        store.ledger.open(new_run("resp_bad", request='{"a": "\x00"}')),
        store.ledger.open(new_run("resp_good")),
        return_exceptions=True,
    )
    assert isinstance(results[0], Refused) and results[1] == "resp_good"
    assert [pointer.run for pointer in await store.due()] == ["resp_good"]


async def test_beginning_brings_the_run_so_far(store: Store) -> None:
    new = new_run(deadline_s=500.0)
    pointer = await opened(store, new)
    await store.advance(100)
    first = await begun(store, pointer)
    assert (first.agent, first.agent_version, dict(first.prompts)) == (new.agent, new.agent_version, new.prompts)
    assert (first.request, first.trace, first.deliveries, first.calls) == (new.request, new.trace, 1, [])
    assert first.remaining_s == pytest.approx(400, abs=30)
    assert [event.sealed for event in first.events] == [new.first]
    note, further = seal(Noted(word="a")), seal(Counted(total=2))
    await store.ledger.commit(first, Advance((note, further), "second"))
    second = await begun(store, await standing(store))
    assert [event.sealed for event in second.events] == [new.first, note, further]
    assert [event.key.seq for event in second.events] == [1, 2, 3]


async def test_each_beginning_is_counted_and_has_a_token_of_its_own(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempts = [await begun(store, pointer, worker) for worker in ("a", "b", "c")]
    assert [attempt.deliveries for attempt in attempts] == [1, 2, 3]
    rows = await store.attempts(pointer.run)
    assert [(row.token, row.worker, row.delivery, row.outcome) for row in rows] == [
        (attempt.token, worker, number, None)
        for number, (attempt, worker) in enumerate(zip(attempts, "abc", strict=True), start=1)
    ]
    assert len({row.token for row in rows}) == 3


async def test_work_that_has_moved_on_cannot_be_begun(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.commit(await begun(store, pointer), advance())
    assert await store.ledger.begin(delivered(pointer)) is None
    assert len(await store.attempts(pointer.run)) == 1


@pytest.mark.parametrize("changed", [{"run": "resp_2"}, {"generation": 2}, {"seq": 2}, {"attempt": 2}])
async def test_a_pointer_to_anywhere_else_cannot_be_begun(store: Store, changed: dict[str, str]) -> None:
    pointer = await opened(store, new_run())
    assert await store.ledger.begin(delivered(replace(pointer, **changed))) is None  # type: ignore[arg-type]
    assert await begun(store, pointer)


async def test_a_step_forward_appends_its_events_and_moves_the_work(store: Store) -> None:
    pointer = await opened(store, new_run())
    await store.ledger.published({pointer: "1-0"})
    assert await store.ledger.commit(await begun(store, pointer), advance(3, "second"))
    work = await store.work(pointer.run)
    assert work is not None
    assert (work.pointer, work.deliveries, work.entry) == (replace(pointer, seq=2, route="second"), 0, None)
    assert await store.due() == [work.pointer]
    assert [(row.outcome, row.settled, row.error) for row in await store.attempts(pointer.run)] == [
        ("advance", True, None)
    ]


async def test_work_that_was_published_twice_is_begun_for_one_entry_only(store: Store) -> None:
    pointer = await opened(store, new_run())
    first, second = Delivery(pointer, "1-0", "w1"), Delivery(pointer, "2-0", "w2")
    assert await store.ledger.begin(first) is not None
    await store.ledger.published({pointer: "2-0"})
    assert await store.ledger.begin(second) is None, "the work row says that 1-0 carries it"
    assert await store.ledger.begin(first) is not None, "which may come again, after a crash"


async def test_an_ending_takes_the_work_away_and_stays_with_the_run(store: Store) -> None:
    pointer = await opened(store, new_run())
    note, ending = seal(Noted(word="a")), seal(Finished(total=5))
    assert await store.ledger.ended([pointer.run, "resp_none"]) == ["resp_none"]
    assert await store.ledger.commit(await begun(store, pointer), Advance((note, ending), None, "incomplete"))
    view = await store.ledger.view(pointer.run, pointer.project)
    assert view is not None and view.ending is not None and view.ended_at is not None
    assert (view.status, view.ending.type, view.ending.data) == ("incomplete", ending.type, ending.data)
    assert await store.work(pointer.run) is None
    assert [event.key.seq for event in await store.events(pointer.run)] == [1, 2, 3]
    assert sorted(await store.ledger.ended([pointer.run, "resp_none"])) == [pointer.run, "resp_none"]
    assert await store.ledger.begin(delivered(replace(pointer, seq=3))) is None


async def test_a_run_is_shown_to_its_own_project_only(store: Store) -> None:
    pointer = await opened(store, new_run())
    assert await store.ledger.view(pointer.run, "another") is None
    assert await store.ledger.view("resp_none", pointer.project) is None


async def test_of_two_deliveries_of_the_same_work_one_commit_wins_and_the_other_is_refused(store: Store) -> None:
    pointer = await opened(store, new_run())
    slow, quick = await begun(store, pointer, "slow"), await begun(store, pointer, "quick")
    assert await store.ledger.commit(quick, advance(2)) is True
    before = await store.events(pointer.run), await store.work(pointer.run)
    assert await store.ledger.commit(slow, finish(99)) is False
    assert (await store.events(pointer.run), await store.work(pointer.run)) == before
    settled = {row.worker: row.settled for row in await store.attempts(pointer.run)}
    assert settled == {"quick": True, "slow": False}


async def test_of_commits_in_the_same_moment_the_one_of_the_newest_delivery_wins(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempts = [await begun(store, pointer) for _ in range(5)]
    won = await asyncio.gather(*(store.ledger.commit(one, advance(n)) for n, one in enumerate(attempts)))
    assert won == [False, False, False, False, True]
    assert len(await store.events(pointer.run)) == 2
    assert sorted(row.settled is True for row in await store.attempts(pointer.run)) == sorted(won)


async def test_an_ending_that_comes_too_late_for_its_event_does_not_end_the_run(store: Store) -> None:
    pointer = await opened(store, new_run())
    attempt = await begun(store, pointer)
    assert await store.ledger.commit(attempt, advance(3))
    assert not await store.ledger.commit(attempt, finish())
    view = await store.ledger.view(pointer.run, pointer.project)
    assert view is not None
    assert (view.status, view.ending, view.ended_at) == ("in_progress", None, None)


async def test_an_ending_never_changes(store: Store) -> None:
    pointer = await opened(store, new_run())
    late, first = await begun(store, pointer), await begun(store, pointer)
    assert await store.ledger.commit(first, finish(1))
    ended = await store.ledger.view(pointer.run, pointer.project)
    assert not await store.ledger.commit(late, finish(2))
    assert not await store.ledger.commit(late, Bury("bug", "late", failure_of("bug")))
    assert await store.ledger.view(pointer.run, pointer.project) == ended
    assert await store.dead_letters() == []


async def test_an_entry_id_is_noted_on_the_work_it_carries_and_on_no_other(store: Store) -> None:
    first, second = await opened(store, new_run("resp_1")), await opened(store, new_run("resp_2"))
    await store.ledger.commit(await begun(store, second), advance())
    await store.ledger.published({first: "7-0", second: "8-0"})
    entries = [work.entry for work in (await store.work("resp_1"), await store.work("resp_2")) if work]
    assert entries == ["7-0", None]


async def test_an_unreadable_entry_becomes_a_dead_letter_once(store: Store) -> None:
    garbage = Unreadable("first", "9-1", {"run": "\x00", "é": "x"}, "no pointer: 'seq'\x00")
    for _ in range(2):
        await store.ledger.bury_unreadable(garbage)
    await store.ledger.bury_unreadable(replace(garbage, route="second"))
    letters = await store.dead_letters()
    assert sorted((letter.route, letter.kind, letter.pointer) for letter in letters) == [
        ("first", "unreadable", None),
        ("second", "unreadable", None),
    ]
    assert all("é" in letter.body and letter.reason == "no pointer: 'seq'\ufffd" for letter in letters)


async def test_the_store_says_that_it_is_there(store: Store) -> None:
    await store.ledger.ping()
