"""The jobs process and its commands, on real engines: killed, frozen, stopped, forgotten by Redis, cancelled."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from agent.adapters.ledger.jobs import PostgresJobs
from agent.jobs import of_letters
from agent.letters import Filter
from agent.outcome import Bury, failure_of
from agent.ports import Delivery
from agent.retention import WHAT
from agent.settings import Settings
from tests.contract.toys import new_run
from tests.e2e.desk import Desk
from tests.e2e.typed import Typed
from workers.jobs.queue import JobQueue

BUG = Bury("bug", "it broke", failure_of("bug"))
QUICK = {"CUELIGHT_JOB_LEASE_S": "1", "CUELIGHT_RETENTION_EVERY_S": "0"}
PATIENT = {**QUICK, "CUELIGHT_JOB_LEASE_S": "600"}
"""So long that nobody takes over within the test."""


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` brings once it brings something. Raises `TimeoutError` when hope is gone."""
    async with asyncio.timeout(90):
        while not (found := await look()):  # noqa: ASYNC110  # engines ring no bell of ours
            await asyncio.sleep(0.02)
        return found


async def buried(desk: Desk, count: int) -> None:
    """Dead letters of so many runs."""
    news = [new_run(f"resp_{number:04}") for number in range(count)]
    await asyncio.gather(*(desk.ledger.open(new) for new in news))
    ledger = desk.ledger
    found = await asyncio.gather(*(ledger.begin(Delivery(new.pointer, "", "tester")) for new in news))
    assert all(await asyncio.gather(*(ledger.commit(begun, BUG) for begun in found if begun)))


@asynccontextmanager
async def at_work(desk: Desk, **more: str) -> AsyncIterator[Typed]:
    """A jobs process; killed at the end if it lives."""
    process = await desk.start("jobs", "run", **{**QUICK, **more})
    try:
        assert await process.stdout.readline() == b"ready: jobs\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def asked(desk: Desk, rate: float | None = None) -> str:
    """A bulk replay of everything, as the command line opens it."""
    words = ("dead", "replay", "--all", "--yes", "--detach", "--json", *(("--rate", str(rate)) if rate else ()))
    done = await desk.run(*words, **QUICK)
    assert done.code == 0, done.err
    return str(done.json["job"]["id"])


async def job(desk: Desk, id: str) -> Any:
    return await PostgresJobs(desk.pool).job(id)


async def begun(desk: Desk, id: str) -> Any:
    """Whether it has come to its middle; a job that is through is no middle any more."""
    found = await job(desk, id)
    assert not found.ended, "the job should have been caught in the middle"
    return found.done > 0


async def ended(desk: Desk, id: str) -> Any:
    found = await job(desk, id)
    return found if found.ended else None


async def replayed(desk: Desk) -> tuple[int, int, int]:
    """Runs that stand in their second generation, letters settled, and lines about it in the audit."""
    return (
        await desk.pool.fetchval("select count(*) from work where generation = 2"),
        await desk.pool.fetchval("select count(*) from dead_letters where settled_as = 'replayed'"),
        await desk.pool.fetchval("select count(*) from audit where action = 'dead_letter.replayed'"),
    )


async def test_a_thousand_letters_are_replayed_at_a_rate_each_once_and_pressing_twice_is_harmless(desk: Desk) -> None:
    await buried(desk, 1_000)
    async with at_work(desk):
        words = ("dead", "replay", "--kind", "bug", "--rate", "400", "--yes", "--json")
        first, second = await asyncio.gather(desk.run(*words, **QUICK), desk.run(*words, **QUICK))
        assert (first.code, second.code) == (0, 0), first.err + second.err
        third = await desk.run(*words, **QUICK)
    assert await replayed(desk) == (1_000, 1_000, 1_000)
    jobs = await PostgresJobs(desk.pool).jobs(10)
    assert sum(it.counts.get("replayed", 0) for it in jobs) == 1_000
    assert third.json == {"replayed": 0, "refused": {}, "verdicts": []}
    share = Settings().queued_per_project
    assert await desk.redis.xlen(desk.keys.work("first")) == share, "at once, as far as the project's share goes"
    actors = await desk.pool.fetch("select distinct actor from audit where action = 'dead_letter.replayed'")
    assert all("@" in row["actor"] and "(job_" in row["actor"] for row in actors)


async def test_the_rate_is_the_most_that_is_replayed_in_a_second(desk: Desk) -> None:
    await buried(desk, 60)
    async with at_work(desk):
        id = await asked(desk, 20)
        found = await until(lambda: ended(desk, id))
    assert (found.ended_at - found.started_at).total_seconds() > 2.9, "60 letters at 20 a second"


async def test_a_jobs_process_killed_in_the_middle_is_replaced_and_nothing_is_done_twice(desk: Desk) -> None:
    await buried(desk, 300)
    id = await asked(desk, 40)
    async with at_work(desk) as process:
        await until(lambda: begun(desk, id))
        process.kill()
        await process.wait()
        done = (await job(desk, id)).done
        async with at_work(desk):
            found = await until(lambda: ended(desk, id))
    assert 0 < done < 300
    assert (found.state, found.done, found.counts) == ("done", 300, {"replayed": 300})
    assert await replayed(desk) == (300, 300, 300)


async def test_a_frozen_jobs_process_is_taken_over_and_moves_nothing_when_it_wakes_up(desk: Desk) -> None:
    await buried(desk, 200)
    id = await asked(desk, 40)
    async with at_work(desk) as zombie, at_work(desk) as heir:
        await until(lambda: begun(desk, id))
        holder = (await job(desk, id)).holder
        frozen = zombie if f":{zombie.pid}:" in holder else heir
        frozen.send_signal(signal.SIGSTOP)

        async def taken_over() -> bool:
            return bool((await job(desk, id)).holder not in (holder, None))

        await until(taken_over)
        frozen.send_signal(signal.SIGCONT)
        found = await until(lambda: ended(desk, id))
    assert (found.state, found.done, found.counts) == ("done", 200, {"replayed": 200})
    assert await replayed(desk) == (200, 200, 200)


async def test_a_jobs_process_that_is_stopped_hands_its_job_back_at_once(desk: Desk) -> None:
    await buried(desk, 200)
    async with at_work(desk, **PATIENT) as process:
        id = await asked(desk, 40)
        await until(lambda: begun(desk, id))
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
        assert process.returncode == 0, (out, err)
        found = await job(desk, id)
        assert (found.state, found.holder) == ("queued", None) and 0 < found.done < 200
        async with at_work(desk, **PATIENT):
            found = await until(lambda: ended(desk, id))
    assert (found.state, found.counts) == ("done", {"replayed": 200})


async def test_an_idle_jobs_process_stops_at_once(desk: Desk) -> None:
    async with at_work(desk) as process:
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert process.returncode == 0


async def test_a_job_goes_on_through_a_flushall_and_the_process_takes_the_next_one(desk: Desk) -> None:
    await buried(desk, 200)
    async with at_work(desk, **PATIENT) as process:
        id = await asked(desk, 100)
        await until(lambda: begun(desk, id))
        await desk.redis.flushall()
        found = await until(lambda: ended(desk, id))
        assert (found.state, found.counts) == ("done", {"replayed": 200})
        assert await replayed(desk) == (200, 200, 200)
        retention = (await desk.run("retention", "--json", **PATIENT)).json
        assert retention["job"]["state"] == "done" and process.returncode is None


async def test_a_job_that_redis_forgot_is_found_in_the_ledger_and_goes_on_where_it_stood(desk: Desk) -> None:
    await buried(desk, 200)
    id = await asked(desk, 40)
    async with at_work(desk) as process:
        await until(lambda: begun(desk, id))
        process.kill()
        await process.wait()
    await desk.redis.flushall()
    async with at_work(desk):
        found = await until(lambda: ended(desk, id))
    assert (found.state, found.done, found.counts) == ("done", 200, {"replayed": 200})
    assert await replayed(desk) == (200, 200, 200)


async def test_a_job_asked_for_while_redis_is_away_is_done_when_it_can_be(desk: Desk) -> None:
    await buried(desk, 30)
    words = ("dead", "replay", "--all", "--detach", "--json")
    done = await desk.run(*words, CUELIGHT_RQ_URL="redis://127.0.0.1:1/0")
    assert done.code == 0 and "later" in done.err
    async with at_work(desk):
        assert (await until(lambda: ended(desk, done.json["job"]["id"]))).counts == {"replayed": 30}


async def test_a_job_that_is_cancelled_in_the_middle_ends_and_leaves_the_rest(desk: Desk) -> None:
    await buried(desk, 200)
    async with at_work(desk):
        id = await asked(desk, 20)
        await until(lambda: begun(desk, id))
        assert (await desk.run("jobs", "cancel", id)).code == 0
        watched = await desk.run("jobs", "watch", id, "--json")
        assert watched.code == 1 and watched.json["state"] == "cancelled"
        again = await desk.run("jobs", "cancel", id)
        assert again.code == 0 and "is cancelled" in again.out
    done = watched.json["done"]
    assert 0 < done < 200 and await replayed(desk) == (done, done, done)
    assert await desk.pool.fetchval("select count(*) from dead_letters where settled_at is null") == 200 - done


async def test_rubbish_in_the_queue_harms_no_job(desk: Desk, redis_prefix: str) -> None:
    await buried(desk, 30)
    async with at_work(desk) as process:
        await desk.redis.rpush(f"rq:queue:{redis_prefix}-jobs", "nothing", "\x00\xff", "job_none-1")
        id = await asked(desk)
        assert (await until(lambda: ended(desk, id))).counts == {"replayed": 30}
        assert process.returncode is None


async def test_jobs_are_listed_and_shown_and_what_is_not_there_is_not_found(desk: Desk) -> None:
    await buried(desk, 30)
    id = await asked(desk)
    listed = await desk.run("jobs", "list")
    assert id in listed.out and "0/30" in listed.out and max(map(len, listed.lines)) <= 80
    (told,) = (await desk.run("jobs", "list", "--open", "--json")).json
    assert (told["id"], told["state"], told["arguments"]["filter"]) == (id, "queued", {"state": "open"})
    shown = await desk.run("jobs", "show", id)
    assert "asked_by" in shown.out and "queued, 0 of 30" in shown.out
    assert (await desk.run("jobs", "cancel", id)).code == 0
    assert (await desk.run("jobs", "list", "--open", "--json")).json == []
    assert (await desk.run("jobs", "show", "nothing")).code == 4


async def test_a_job_without_any_process_says_what_to_start_and_ctrl_c_leaves_it_open(desk: Desk) -> None:
    new, _ = await PostgresJobs(desk.pool).ask("replay", of_letters(Filter(), None), "ann", 1)
    process = await desk.start("jobs", "watch", new.id)
    assert process.stderr is not None
    assert b"cuelight jobs run" in await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 0 and b"goes on" in err


async def test_the_queue_has_a_url_of_its_own(desk: Desk, redis_prefix: str) -> None:
    elsewhere = desk.urls.redis_url.replace("db=0", "db=1") if "db=" in desk.urls.redis_url else None
    await buried(desk, 30)
    url = elsewhere or f"{desk.urls.redis_url}?db=1"
    async with at_work(desk, **PATIENT, CUELIGHT_RQ_URL=url):
        done = await desk.run("dead", "replay", "--all", "--json", **PATIENT, CUELIGHT_RQ_URL=url)
        assert done.json["job"]["result"] == {"replayed": 30}
    assert [key async for key in desk.redis.scan_iter(f"rq:*{redis_prefix}*")] == []


async def test_what_is_kept_no_longer_is_removed_by_itself_and_open_letters_stay(desk: Desk) -> None:
    await buried(desk, 3)
    await desk.run("dead", "discard", "resp_0000/1/1", "resp_0001/1/1")
    await desk.pool.execute("update dead_letters set settled_at = settled_at - interval '40 days'")
    await desk.pool.execute("update runs set created_at = created_at - interval '40 days' where id = 'resp_0001'")
    await desk.pool.execute("update audit set at = at - interval '40 days'")
    told = (await desk.run("retention", "--dry-run", "--json")).json["expired"]
    assert told == dict.fromkeys(WHAT, 0) | {"responses": 1, "dead_letters": 2}
    async with at_work(desk, CUELIGHT_RETENTION_EVERY_S="3600", CUELIGHT_AUDIT_RETENTION_S="86400"):
        (opened,) = await until(lambda: PostgresJobs(desk.pool).jobs(5))
        found = await until(lambda: ended(desk, opened.id))
    assert found.kind == "retention" and found.counts["dead_letters"] == 2 and found.counts["audit"] == 2
    left = await desk.pool.fetch("select id from dead_letters")
    assert [row["id"] for row in left] == ["resp_0002/1/1"]
    forgotten = await desk.pool.fetch("select id from runs where purge_asked_at is not null")
    assert [row["id"] for row in forgotten] == ["resp_0001"]


def test_what_stands_in_the_queue_is_json_and_nothing_that_runs() -> None:
    from rq.serializers import JSONSerializer

    from agent.settings import Settings

    queue = JobQueue(Settings(redis_prefix="x"), "redis://127.0.0.1:1/0").queue
    assert queue.serializer is JSONSerializer
