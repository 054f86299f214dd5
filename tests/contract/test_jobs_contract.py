"""Jobs, on the twin and on PostgreSQL: one process at a time, each batch once, and nothing of it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import Any, cast

from agent.jobs import END, Hold, Job, of_letters, place_in, place_of
from agent.letters import Filter
from tests.contract.backends import Store
from tests.contract.test_letters_contract import BURY, buried
from tests.contract.toys import begun, standing
from workers.jobs.clerk import Clerk
from workers.jobs.doors import Doors

LEASE_S = 10.0
ALL = of_letters(Filter(kind="bug"), None)


async def asked(store: Store, arguments: str = ALL) -> Job:
    job, new = await store.jobs.ask("replay", arguments, "ann", 3)
    assert new
    return job


async def taken(store: Store, job: Job, holder: str = "p1") -> Hold:
    hold = Hold(job.id, holder)
    assert await store.jobs.take(hold, LEASE_S) is not None
    return hold


async def state(store: Store, job: Job) -> tuple[str, int, str]:
    found = await store.jobs.job(job.id)
    assert found is not None
    return found.state, found.done, found.place


async def test_a_job_is_queued_with_everything_it_needs(store: Store) -> None:
    job = await asked(store, of_letters(Filter(route="first", ids=("a", "b")), 2.5))
    assert (job.kind, job.state, job.asked_by, job.done, job.total, job.rate) == ("replay", "queued", "ann", 0, 3, 2.5)
    assert (job.filter.route, list(job.filter.ids or ()), job.filter.until) == ("first", ["a", "b"], job.created_at)
    assert (place_in(job), job.counts, job.holder) == (None, {}, None)
    assert [it.id for it in await store.jobs.jobs(10)] == [job.id]


async def test_the_same_wish_finds_the_open_job_and_opens_a_new_one_after_its_end(store: Store) -> None:
    job = await asked(store)
    found = await asyncio.gather(*(store.jobs.ask("replay", ALL, "bob", 3) for _ in range(3)))
    assert [(it.id, new) for it, new in found] == [(job.id, False)] * 3
    assert (await store.jobs.ask("discard", ALL, "bob", 3))[1]
    await store.jobs.end(await taken(store, job), "done")
    assert (await store.jobs.ask("replay", ALL, "bob", 3))[1]


async def test_a_job_is_held_by_one_and_taken_over_when_its_holder_was_not_seen(store: Store) -> None:
    job = await asked(store)
    first, second = await taken(store, job), Hold(job.id, "p2")
    assert await store.jobs.take(second, LEASE_S) is None and await store.jobs.lost(LEASE_S) == []
    await store.advance(LEASE_S + 1)
    assert await store.jobs.lost(LEASE_S) == [job.id]
    assert await store.jobs.take(second, LEASE_S) is not None
    assert await store.jobs.see(first) is None
    assert await store.jobs.note(first, 1, {}, "x") is None
    assert await store.jobs.settle(first, "replayed", [], "x") is None
    assert not await store.jobs.end(first, "done") and not await store.jobs.hand_back(first)
    assert await state(store, job) == ("running", 0, "")


async def test_a_holder_that_is_seen_keeps_its_job(store: Store) -> None:
    job = await asked(store)
    hold = await taken(store, job)
    for _ in range(3):
        await store.advance(LEASE_S - 1)
        assert await store.jobs.see(hold) is not None
    assert await store.jobs.take(Hold(job.id, "p2"), LEASE_S) is None


async def test_letters_are_settled_and_noted_in_one_write(store: Store) -> None:
    letters = [await buried(store, f"resp_{n}") for n in range(3)]
    await store.purge("resp_1")
    job = await asked(store)
    hold = await taken(store, job)
    last = (await store.letters.letters(job.filter, 10))[-1]
    settled = await store.jobs.settle(hold, "replayed", letters, place_of((last.created_at, last.id)))
    assert settled is not None
    assert [it.pointer and it.pointer.run for it in settled.verdicts] == ["resp_0", None, "resp_2"]
    assert (settled.job.done, settled.job.counts) == (3, {"replayed": 2, "refused_gone": 1})
    assert place_in(settled.job) == (last.created_at, last.id)
    actors = {it.actor for it in await store.audit() if it.action == "dead_letter.replayed"}
    assert actors == {f"ann ({job.id})"}


async def test_a_holder_that_was_taken_over_settles_no_letter(store: Store) -> None:
    letter = await buried(store)
    job = await asked(store)
    zombie = await taken(store, job)
    await store.advance(LEASE_S + 1)
    await taken(store, job, "p2")
    assert await store.jobs.settle(zombie, "replayed", [letter], "x") is None
    assert [it.id for it in await store.letters.letters(Filter(), 10)] == [letter]


async def test_a_bulk_job_does_not_meet_what_it_buried_itself(store: Store) -> None:
    letter = await buried(store)
    job = await asked(store)
    await store.advance(1)
    await store.letters.replay([letter], "ann")
    await store.ledger.commit(await begun(store, await standing(store)), BURY)
    found = await store.jobs.job(job.id)
    assert found is not None
    assert await store.letters.letters(found.filter, 10) == []


async def test_counts_add_up_over_batches_and_the_place_is_the_last_one(store: Store) -> None:
    job = await asked(store)
    hold = await taken(store, job)
    await store.jobs.note(hold, 2, {"audit": 2}, "audit")
    noted = await store.jobs.note(hold, 3, {"audit": 1, "jobs": 2}, END)
    assert noted is not None
    assert (noted.done, noted.counts, noted.place) == (5, {"audit": 3, "jobs": 2}, END)


async def test_a_job_that_is_handed_back_goes_on_where_it_stood(store: Store) -> None:
    job = await asked(store)
    await store.jobs.note(hold := await taken(store, job), 2, {}, "here")
    assert await store.jobs.hand_back(hold) and await state(store, job) == ("queued", 2, "here")
    assert await store.jobs.lost(LEASE_S) == [job.id]
    await taken(store, job, "p2")
    assert await state(store, job) == ("running", 2, "here")


class Batches:
    """Work of three batches that take three seconds each, and a queue in which these jobs stand."""

    def __init__(self, store: Store, *queue: str) -> None:
        self.given: list[str] = []
        self.clerk = Clerk(
            Doors(store.jobs, *(cast(Any, None),) * 7),
            asyncio.Event(),
            self._give,
            self._waiting,
            name="p1",
            lease_s=LEASE_S,
            kinds={"replay": self._batch},
            now=lambda: self._now,
        )
        self._queue, self._now = set(queue), 0.0

    async def _batch(self, doors: Doors, hold: Hold, job: Job) -> Job | None:
        self._now += 3.0
        return await doors.jobs.note(hold, 1, {}, END if job.done == 2 else "on")

    async def _give(self, job: str) -> None:
        self.given.append(job)

    async def _waiting(self) -> Set[str]:
        return self._queue


async def test_a_long_job_lets_another_one_that_waits_have_its_turn_and_goes_on_after_it(store: Store) -> None:
    job = await asked(store)
    first = Batches(store, job.id, "job_other")
    await first.clerk.run(job.id)
    assert first.given == [job.id] and await state(store, job) == ("queued", 2, "on")
    alone = Batches(store, job.id)
    await alone.clerk.run(job.id)
    assert alone.given == [] and await state(store, job) == ("done", 3, END)


async def test_a_job_that_nobody_waits_behind_is_done_in_one_go(store: Store) -> None:
    job = await asked(store)
    alone = Batches(store, job.id)
    await alone.clerk.run(job.id)
    assert alone.given == [] and await state(store, job) == ("done", 3, END)


async def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked_to_end(store: Store) -> None:
    queued, running = await asked(store), await asked(store, of_letters(Filter(), None))
    hold = await taken(store, running)
    found = [await store.jobs.cancel(it.id, "bob") for it in (queued, running, running)]
    assert [it and (it.state, it.cancel_asked) for it in found] == [("cancelled", True), *[("running", True)] * 2]
    seen = await store.jobs.see(hold)
    assert seen is not None and seen.cancel_asked
    assert await store.jobs.end(hold, "cancelled")
    assert await store.jobs.take(hold, LEASE_S) is None and await store.jobs.cancel("nothing", "bob") is None
    told = [it.action for it in await store.audit()]
    assert told == ["job.replay", "job.replay", "job.cancel", "job.cancel"]


async def test_a_failed_job_says_why_and_keeps_its_counts(store: Store) -> None:
    job = await asked(store)
    hold = await taken(store, job)
    await store.jobs.note(hold, 1, {"replayed": 1}, "x")
    assert await store.jobs.end(hold, "failed", "it broke \x00")
    found = await store.jobs.job(job.id)
    assert found is not None and found.ended and found.holder is None
    assert found.counts["replayed"] == 1 and found.counts["error"].startswith("it broke")


async def test_a_periodic_job_is_opened_once_in_its_time_by_however_many(store: Store) -> None:
    found = await asyncio.gather(*(store.jobs.ask_again("retention", "{}", "jobs", 3_600.0) for _ in range(4)))
    (job,) = [it for it in found if it is not None]
    await store.jobs.end(await taken(store, job), "done")
    assert await store.jobs.ask_again("retention", "{}", "jobs", 3_600.0) is None
    await store.advance(3_601)
    assert await store.jobs.ask_again("retention", "{}", "jobs", 3_600.0) is not None
    await store.advance(3_601)
    assert await store.jobs.ask_again("retention", "{}", "jobs", 3_600.0) is None, "the last one has not ended yet"
