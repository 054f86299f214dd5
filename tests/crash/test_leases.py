"""Work is taken over from the dead and the frozen, and from nobody who lives, however long and busy."""

from __future__ import annotations

import os
import signal
from multiprocessing.process import BaseProcess

import psutil
from redis.asyncio import Redis

from agent.testing.fake_model import Line, Script
from tests.crash.stage import ANSWER, Stage, Story, until
from tests.crash.test_worker_crash import CHAIN
from tests.kin import children

LEASE_S = 1.0
"""Long enough for a busy machine to renew it in time."""
LONG_MS = 3_000
"""Several leases."""


def generated(story: Story) -> list[tuple[str | None, bool | None]]:
    """Outcome and fate of each attempt at the model's answer, in order."""
    return [(it.outcome, it.settled) for it in story.attempts if it.route == "generate"]


async def test_a_call_of_several_leases_is_made_once_while_another_worker_idles(stage: Stage) -> None:
    stage.settings["lease_s"] = LEASE_S
    await stage.model.play(Script((Line(delay_ms=LONG_MS, answer=ANSWER),)))
    stage.work()
    stage.work()
    run = await stage.ask()
    await stage.end(run)
    story = await stage.story(run)
    assert (story.events, len(story.paid), generated(story)) == (CHAIN, 1, [("advance", True)])


async def test_a_call_under_way_is_not_made_again_although_redis_forgot_who_makes_it(stage: Stage) -> None:
    stage.settings |= {"lease_s": LEASE_S, "look_s": 0.2}
    await stage.model.play(Script((Line(delay_ms=LONG_MS, answer=ANSWER),)))
    stage.work()
    stage.work()
    run = await stage.ask()
    await stage.asked(run)
    async with Redis.from_url(stage.urls[1]) as client:
        await client.flushall()
    await stage.end(run)
    story = await stage.story(run)
    assert (story.events, len(story.paid), generated(story)) == (CHAIN, 1, [("advance", True)])


async def test_a_worker_that_is_held_up_by_its_own_code_is_not_taken_over(stage: Stage) -> None:
    stage.settings |= {"lease_s": LEASE_S, "agent": ("tests.crash.toys:holding",)}
    stage.work()
    stage.work()
    run = await stage.ask()
    await stage.end(run)
    story = await stage.story(run)
    assert [(it.delivery, it.settled) for it in story.attempts] == [(1, True)]


async def test_a_frozen_worker_that_wakes_up_first_settles_nothing_and_its_bill_is_kept(stage: Stage) -> None:
    stage.settings["lease_s"] = LEASE_S
    await stage.holds(2, 3)  # nobody is answered before the second call, and that one not before a third
    run = await stage.ask()
    zombie = stage.work()
    await stage.asked(run)
    os.kill(zombie.pid or 0, signal.SIGSTOP)
    stage.work()
    await stage.asked(run, times=2)
    os.kill(zombie.pid or 0, signal.SIGCONT)

    async def refused() -> bool:
        return ("advance", False) in generated(await stage.story(run))

    await until(refused)
    await stage.one_more_call()
    await stage.end(run)
    await stage.settled(run)
    story = await stage.story(run)
    assert (story.events, len(story.paid)) == (CHAIN, 2)
    assert generated(story) == [("advance", False), ("advance", True)]
    assert [call.status for call in story.calls] == ["answered", "answered"]
    assert len({call.cost_usd for call in story.calls}) == 1 and story.calls[0].cost_usd


async def test_what_a_stopping_worker_cannot_end_goes_to_another_at_once_and_counts_as_nothing(stage: Stage) -> None:
    stage.settings |= {"lease_s": 3_600.0, "look_s": 3_600.0, "drain_s": 0.0}  # nothing comes by waiting
    await stage.model.play(Script((Line(attempt=1, delay_ms=600_000, answer=ANSWER), Line(answer=ANSWER))))
    run = await stage.ask()
    stopping = stage.work()
    await stage.asked(run)
    stage.work()
    await stage.retire(stopping)
    await stage.end(run)
    story = await stage.story(run)
    assert story.events == CHAIN
    assert generated(story) == [("handed_back", None), ("advance", True)]
    assert {(it.attempt, it.delivery) for it in story.attempts} == {(1, 1)}
    assert sorted(call.status for call in story.calls) == ["answered", "unknown"]


async def test_a_rolling_restart_of_three_workers_under_load_runs_nothing_again(stage: Stage) -> None:
    stage.settings["lease_s"] = 3.0
    await stage.model.play(Script((Line(delay_ms=200, answer=ANSWER),)))
    workers = [stage.work() for _ in range(3)]
    runs = [await stage.ask() for _ in range(10)]
    for worker in workers:
        runs += [await stage.ask() for _ in range(10)]
        await stage.asked(runs[-5])
        stage.work()
        await stage.retire(worker)
    await stage.end(*runs)
    for run in runs:
        story = await stage.story(run)
        assert (story.events, len(story.paid)) == (CHAIN, 1)
        assert [(it.attempt, it.delivery, it.settled) for it in story.attempts] == [(1, 1, True)] * 3


async def test_work_that_kills_its_workers_is_set_aside_and_everything_else_goes_on(stage: Stage) -> None:
    stage.settings |= {"agent": ("tests.crash.toys:deadly",), "max_deliveries": 2}
    poison = await stage.ask("poison, please")
    others = [await stage.ask() for _ in range(10)]
    working = [stage.work(), stage.work()]

    async def ended() -> bool:
        for at, worker in enumerate(working):
            if not worker.is_alive():
                working[at] = stage.work()
        return bool(await stage.store.ledger.ended([poison]))

    await until(ended)
    await stage.end(*others)
    told = await stage.story(poison)
    assert told.view.status == "failed" and told.view.ending is not None
    assert '"code":"deliveries"' in told.view.ending.data
    assert [(it.delivery, it.outcome) for it in told.attempts] == [(1, None), (2, None), (3, "bury")]
    assert [(it.kind, it.pointer and it.pointer.run) for it in await stage.store.dead_letters()] == [
        ("deliveries", poison)
    ]
    assert [worker.exitcode for worker in stage.workers if not worker.is_alive()] == [1, 1]
    assert {(await stage.story(run)).view.status for run in others} == {"completed"}


async def test_the_heartbeat_of_a_killed_worker_ends_with_it(stage: Stage) -> None:
    worker = stage.work()
    run = await stage.ask()
    await stage.end(run)
    (heart,) = hearts(worker)
    worker.kill()

    async def still() -> bool:
        return not heart.is_running()

    await until(still)


def hearts(worker: BaseProcess) -> list[psutil.Process]:
    return [child for child, command in children(worker.pid) if any("beat.py" in word for word in command)]
