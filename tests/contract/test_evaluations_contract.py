"""Evaluations and their job, on the twin and on PostgreSQL: each line has one run, whoever dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import pytest

from agent.errors import Transient
from agent.evaluation import Evaluation, Plan, Standing, Wanted, arguments
from agent.jobs import END, CannotGoOn, Hold, Job
from agent.pauses import INTAKE
from agent.ports import Call, Pointer
from agent.testing import MemoryStreams
from tests.contract.backends import Store
from tests.contract.toys import begun, finish, model_call, new_run, standing
from workers.jobs.doors import Doors
from workers.jobs.evaluating import evaluate

NEW = new_run("resp_0")


def lines(count: int) -> list[Wanted]:
    return [Wanted(number, f"resp_{number}", NEW.request) for number in range(1, count + 1)]


async def put(store: Store, count: int = 3, at_once: int = 2, wish: str = "w") -> Evaluation:
    found, new = await store.evaluations.begin(wish, Plan.of(NEW, at_once), lines(count))
    assert new and await store.evaluations.evaluation(found.id) == found
    return found


async def no_wait(seconds: float) -> None:
    """Nothing in here waits."""


class Publisher(MemoryStreams):
    async def publish_all(self, pointers: Sequence[Pointer]) -> Sequence[str]:
        return [await self.publish(pointer) for pointer in pointers]


def doors(store: Store, evaluations: Any = None) -> Doors:
    nothing: Any = None
    return Doors(
        store.jobs,
        store.letters,
        cast(Any, Publisher()),
        nothing,
        {},
        store.ledger,
        evaluations or store.evaluations,
        store.pauses,
        no_wait,
    )


async def held(store: Store, evaluation: Evaluation, holder: str = "p1") -> tuple[Hold, Job]:
    job, _ = await store.jobs.ask("evaluation", arguments(evaluation.id), "ann", evaluation.total)
    hold = Hold(job.id, holder)
    taken = await store.jobs.take(hold, 10.0)
    assert taken is not None
    return hold, taken


async def over(store: Store, *runs: str, calls: Sequence[Call] = ()) -> None:
    """These runs end, with these calls on their bill."""
    for run in runs:
        it = await begun(store, await standing(store, run))
        it.calls.extend(calls)
        assert await store.ledger.commit(it, finish())


async def test_the_same_wish_finds_the_evaluation_until_somebody_was_told_of_it(store: Store) -> None:
    first = await put(store)
    plan = Plan.of(NEW, 2)
    found = await asyncio.gather(*(store.evaluations.begin("w", plan, lines(3)) for _ in range(3)))
    assert {(it.id, new) for it, new in found} == {(first.id, False)}
    assert await store.evaluations.find("another") is None
    await store.evaluations.told(first.id)
    assert await store.evaluations.find("w") is None
    assert (await put(store)).id != first.id


async def test_a_plan_comes_back_as_it_was(store: Store) -> None:
    evaluation = await put(store)
    assert evaluation.plan == Plan.of(NEW, 2) and evaluation.total == 3 and evaluation.told_at is None


async def test_lines_wait_in_their_order_until_they_have_runs(store: Store) -> None:
    evaluation = await put(store)
    assert [it.number for it in await store.evaluations.waiting(evaluation.id, 2)] == [1, 2]
    await store.ledger.open(new_run("resp_1"))
    await store.evaluations.opened(evaluation.id, [1])
    assert [it.number for it in await store.evaluations.waiting(evaluation.id, 9)] == [2, 3]
    assert await store.evaluations.standing(evaluation.id) == Standing({}, 1, 3)
    assert await store.evaluations.runs(evaluation.id) == ["resp_1"]


async def test_the_job_keeps_some_runs_open_and_ends_when_all_have_ended(store: Store) -> None:
    evaluation = await put(store)
    hold, job = await held(store, evaluation)
    first = await evaluate(doors(store), hold, job)
    assert first is not None and (first.done, first.place) == (0, "")
    assert await store.evaluations.standing(evaluation.id) == Standing({}, 2, 3)
    await over(store, "resp_1", "resp_2")
    second = await evaluate(doors(store), hold, first)
    assert second is not None and (second.done, second.counts, second.place) == (2, {"completed": 2}, "")
    await over(store, "resp_3")
    last = await evaluate(doors(store), hold, second)
    assert last is not None and (last.done, last.counts, last.place) == (3, {"completed": 3}, END)


async def test_a_job_that_dies_before_it_noted_its_runs_opens_none_of_them_again(store: Store) -> None:
    evaluation = await put(store)
    hold, job = await held(store, evaluation)

    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return getattr(store.evaluations, name)

        async def opened(self, *_: object) -> None:
            raise Transient("the ledger is away", kind="ledger")

    with pytest.raises(Transient):
        await evaluate(doors(store, Forgetful()), hold, job)
    await over(store, "resp_1")
    after = await evaluate(doors(store), hold, job)
    assert after is not None and after.counts == {"completed": 1}
    assert await store.evaluations.standing(evaluation.id) == Standing({"completed": 1}, 1, 3)


async def test_no_more_runs_are_opened_once_they_cost_as_much_as_they_may_until_the_limit_is_raised(
    store: Store,
) -> None:
    evaluation = await put(store, 3, at_once=1)
    await store.evaluations.limit(evaluation.id, Decimal("2.75"))
    hold, job = await held(store, evaluation)
    first = await evaluate(doors(store), hold, job)
    assert first is not None and await store.evaluations.spent(evaluation.id) == 0
    await over(store, "resp_1", calls=[model_call(), model_call("a bill that nobody sent", cost_usd=None)])
    assert await store.evaluations.spent(evaluation.id) == Decimal("2.75")
    with pytest.raises(CannotGoOn, match=r"its 2\.75 USD are used up: raise --most-usd"):
        await evaluate(doors(store), hold, first)
    assert await store.evaluations.standing(evaluation.id) == Standing({"completed": 1}, 0, 3)
    counted = await store.jobs.job(job.id)
    assert counted is not None and (counted.done, counted.counts) == (1, {"completed": 1})
    await store.evaluations.limit(evaluation.id, None)
    assert await evaluate(doors(store), hold, counted) is not None
    assert await store.evaluations.standing(evaluation.id) == Standing({"completed": 1}, 1, 3)


async def test_a_paused_intake_opens_nothing(store: Store) -> None:
    evaluation = await put(store)
    await store.pauses.pause(INTAKE, "maintenance", "ann")
    hold, job = await held(store, evaluation)
    assert await evaluate(doors(store), hold, job) is not None
    assert await store.evaluations.standing(evaluation.id) == Standing({}, 0, 3)


async def test_whoever_lost_the_job_does_no_harm(store: Store) -> None:
    evaluation = await put(store)
    hold, job = await held(store, evaluation)
    assert await evaluate(doors(store), Hold(job.id, "another"), job) is None
    assert await evaluate(doors(store), hold, job) is not None
    assert await store.evaluations.standing(evaluation.id) == Standing({}, 2, 3)
