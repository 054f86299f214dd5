"""Dead letters, on the twin and on PostgreSQL: what they carry, replaying and discarding them."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

from agent.letters import Filter, Refusal
from agent.outcome import Bury, Postpone, failure_of
from agent.ports import Pointer, Unreadable
from tests.contract.backends import Store
from tests.contract.toys import (
    advance,
    answered,
    begun,
    delivered,
    finish,
    model_call,
    new_run,
    opened,
    standing,
)

BURY = Bury("bug", "it broke", failure_of("bug"))


async def buried(store: Store, run: str = "resp_1") -> str:
    """The letter of a run that got to its second step and failed there."""
    pointer = await opened(store, new_run(run))
    await store.ledger.commit(await begun(store, pointer), advance(3))
    await store.ledger.commit(await begun(store, await standing(store, run)), BURY)
    return f"{run}/1/2"


async def refused(store: Store, *ids: str) -> list[Refusal | None]:
    return [verdict.refused for verdict in await store.letters.replay(ids, "tester")]


async def test_a_dead_letter_carries_every_attempt_and_call_with_errors_and_times(store: Store) -> None:
    pointer = await opened(store, new_run())
    first = await begun(store, pointer, "w1")
    first.calls.append(model_call(status="failed"))
    await store.ledger.commit(first, Postpone(0.0, "transport", "no route to host"))
    await store.ledger.commit(await begun(store, await standing(store), "w2"), BURY)
    told = await store.letters.letter("resp_1/1/1")
    assert told is not None and (told.letter.agent, told.letter.kind, told.raw) == ("toy", "bug", None)
    history = json.loads(told.history)
    assert [(it["worker"], it["attempt"], it["outcome"], it["error"]) for it in history["attempts"]] == [
        ("w1", 1, "postpone", "no route to host"),
        ("w2", 2, "bury", "it broke"),
    ]
    assert all(it["began_at"] and it["ended_at"] for it in history["attempts"])
    assert [(it["status"], it["error_kind"], it["cost_usd"]) for it in history["calls"]] == [
        ("failed", "transport", "0.25")
    ]


async def test_a_letter_of_an_entry_that_cannot_be_read_holds_its_bytes(store: Store) -> None:
    await store.ledger.bury_unreadable(Unreadable("first", "9-1", {"run": "a\udcff\x00", "é": ""}, "no text"))
    told = await store.letters.letter("first/9-1")
    assert told is not None and (told.letter.run, told.letter.agent) == (None, "")
    assert told.raw == b"*4\r\n$3\r\nrun\r\n$3\r\na\xff\x00\r\n$2\r\n\xc3\xa9\r\n$0\r\n\r\n"


async def test_a_huge_field_is_cut_for_reading_and_kept_whole_as_bytes(store: Store) -> None:
    await store.ledger.bury_unreadable(Unreadable("first", "9-1", {"x": "y" * 3_000_000}, "huge"))
    told = await store.letters.letter("first/9-1")
    assert told is not None and told.raw is not None
    assert len(told.raw) > 3_000_000 and len(told.body) < 10_000


async def test_replaying_opens_the_next_generation_of_the_same_run(store: Store) -> None:
    letter = await buried(store)
    (verdict,) = await store.letters.replay([letter], "ann")
    assert (verdict.refused, verdict.run, verdict.generation, verdict.settled_by) == (None, "resp_1", 2, "ann")
    view = await store.ledger.view("resp_1", "default")
    assert view is not None and (view.status, view.generation) == ("in_progress", 2)
    assert view.ending is None and view.ended_at is None
    assert await standing(store) == verdict.pointer == Pointer("resp_1", 2, 2, "second", 1, "default", "00-trace", True)
    again = await begun(store, await standing(store))
    assert [event.key.seq for event in again.events] == [1, 2]
    assert again.remaining_s == pytest.approx(100_000, abs=30)
    assert await store.ledger.commit(again, finish(9))
    view = await store.ledger.view("resp_1", "default")
    assert view is not None and (view.status, view.generation) == ("completed", 2)
    keys = [(event.key.generation, event.key.seq) for event in await store.events("resp_1")]
    assert keys == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]


async def test_a_replay_uses_the_answers_that_are_on_record(store: Store) -> None:
    pointer = await opened(store, new_run())
    first = await begun(store, pointer)
    call = answered(model_call(), "42")
    first.calls.append(call)
    await store.ledger.commit(first, BURY)
    await store.letters.replay(["resp_1/1/1"], "ann")
    again = await begun(store, await standing(store))
    assert again.answers == {(call.hash, 0): "42"}
    assert again.spent_usd == Decimal("0.25")


async def test_a_run_may_be_replayed_once_for_each_letter(store: Store) -> None:
    first = await buried(store)
    await store.letters.replay([first], "ann")
    await store.ledger.commit(await begun(store, await standing(store)), BURY)
    assert await refused(store, first, "resp_1/2/2") == [Refusal.REPLAYED, None]
    assert (await standing(store)).generation == 3
    again = await begun(store, await standing(store))
    assert again.remaining_s == pytest.approx(100_000, abs=30), "no generation inherits the time of the ones before"


async def test_replaying_the_same_letter_many_times_at_once_opens_one_generation(store: Store) -> None:
    letter = await buried(store)
    found = await asyncio.gather(*(refused(store, letter) for _ in range(5)))
    assert sorted(str(one) for (one,) in found) == ["None", *["replayed"] * 4]
    assert (await standing(store)).generation == 2


async def test_an_outcome_of_the_generation_before_changes_nothing(store: Store) -> None:
    pointer = await opened(store, new_run())
    zombie = await begun(store, pointer)
    await store.ledger.commit(await begun(store, pointer), BURY)
    await store.letters.replay(["resp_1/1/1"], "ann")
    assert not await store.ledger.commit(zombie, finish())
    assert await store.ledger.begin(delivered(pointer)) is None


async def test_what_cannot_be_replayed_is_refused_with_the_reason(store: Store) -> None:
    gone, discarded = await buried(store, "resp_gone"), await buried(store, "resp_discarded")
    await store.purge("resp_gone")
    await store.letters.discard([discarded], "ann")
    await store.ledger.bury_unreadable(Unreadable("first", "9-1", {"a": "b"}, "no pointer"))
    found = await refused(store, "nothing/1/1", gone, discarded, "first/9-1")
    assert found == [Refusal.UNKNOWN, Refusal.GONE, Refusal.DISCARDED, Refusal.RUNLESS]
    assert await store.due() == []


async def test_one_that_cannot_be_replayed_keeps_no_other_from_it(store: Store) -> None:
    letters = [await buried(store, f"resp_{n}") for n in range(3)]
    await store.purge("resp_1")
    assert await refused(store, *letters) == [None, Refusal.GONE, None]
    assert sorted(pointer.run for pointer in await store.due()) == ["resp_0", "resp_2"]


async def test_discarding_settles_a_letter_once_and_leaves_its_run_alone(store: Store) -> None:
    letter = await buried(store)
    before = await store.ledger.view("resp_1", "default")
    verdicts = [*await store.letters.discard([letter], "ann"), *await store.letters.discard([letter], "bob")]
    assert [(it.refused, it.settled_by) for it in verdicts] == [(None, "ann"), (Refusal.DISCARDED, "ann")]
    assert await store.ledger.view("resp_1", "default") == before


async def test_who_settled_what_stands_on_the_audit(store: Store) -> None:
    first, second = await buried(store, "resp_1"), await buried(store, "resp_2")
    await store.letters.replay([first, first], "ann")
    await store.letters.discard([first, second], "bob")
    found = [(it.actor, it.action, it.subject) for it in await store.audit()]
    assert found == [("ann", "dead_letter.replayed", first), ("bob", "dead_letter.discarded", second)]
    told = await store.letters.letter(first)
    assert told is not None and (told.letter.settled_by, told.letter.settled_as) == ("ann", "replayed")


async def test_letters_are_found_by_what_they_are_and_by_age(store: Store) -> None:
    old = await buried(store, "resp_1")
    await store.advance(3_600)
    young = await buried(store, "resp_2")
    await store.advance(1)
    await store.ledger.bury_unreadable(Unreadable("first", "9-1", {"a": "b"}, "no pointer"))

    async def ids(**chosen: object) -> list[str]:
        return [it.id for it in await store.letters.letters(Filter(**chosen), 100)]  # type: ignore[arg-type]

    assert await ids() == [old, young, "first/9-1"]
    assert await ids(older_than_s=1_800.0) == [old]
    assert await ids(younger_than_s=1_800.0) == [young, "first/9-1"]
    assert await ids(route="second", agent="toy") == [old, young]
    assert await ids(kind="unreadable") == ["first/9-1"]
    assert await ids(run="resp_2") == [young]
    assert await ids(ids=(young, "first/9-1", "nothing")) == [young, "first/9-1"]
    assert (await store.letters.tally(Filter(ids=(young, "first/9-1")))).count == 2
    await store.letters.discard([old], "ann")
    assert await ids() == [young, "first/9-1"]
    assert await ids(state="settled") == [old]
    assert await ids(state="any") == [old, young, "first/9-1"]
    first = (await store.letters.letters(Filter(state="any"), 1))[0]
    rest = await store.letters.letters(Filter(state="any"), 1, (first.created_at, first.id))
    assert [it.id for it in rest] == [young]


async def test_a_tally_counts_what_can_be_replayed_and_what_it_may_cost(store: Store) -> None:
    pointer = await opened(store, new_run("resp_done"))
    done = await begun(store, pointer)
    done.calls.append(answered(model_call(cost_usd="0.25"), "1"))
    await store.ledger.commit(done, finish())
    pointer = await opened(store, new_run("resp_1"))
    failed = await begun(store, pointer)
    failed.calls += [model_call(status="failed", cost_usd="0.5")]
    await store.ledger.commit(failed, BURY)
    await buried(store, "resp_gone")
    await store.purge("resp_gone")
    tally = await store.letters.tally(Filter())
    assert (tally.count, tally.replayable, tally.spent_usd, tally.estimate_usd) == (
        2,
        1,
        Decimal("0.5"),
        Decimal("0.25"),
    )
