"""Each violation, planted on real engines, is found by the doctor with its advice; a healthy system gives none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.pauses import PostgresPauses
from agent.adapters.ledger.sweeps import PostgresSweeps
from agent.adapters.streams.redis import RedisStreams
from agent.doctor import Facts, Finding, Level, examine
from agent.outcome import Bury, failure_of
from agent.ports import Pointer
from agent.settings import Settings
from cli.doctor import gather, twice
from tests.contract.toys import finish
from tests.e2e.desk import Desk
from tests.e2e.house import QUESTION, RIGHT, Open, until

FAIL = Bury("bug", "it broke", failure_of("bug"))
Plant = Callable[[Desk], Awaitable[None]]


async def facts_of(desk: Desk, urls: EngineUrls | None = None) -> Facts:
    return await gather(Settings(redis_prefix=desk.prefix, data_dir=desk.folder), urls or desk.urls)


async def found(desk: Desk, urls: EngineUrls | None = None) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(await facts_of(desk, urls))}


async def orphaned(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("delete from work")


async def stray(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("update runs set status = 'failed'")


async def misplaced(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("update work set seq = 5")


async def overdue(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("update work set deadline = now() - interval '1 minute'")


async def unpublished(desk: Desk) -> None:
    await desk.opened("resp_1", publish=False)
    await desk.pool.execute("update work set due_at = now() - interval '1 minute'")


async def test_work_that_is_held_back_behind_its_own_project_is_not_missing(desk: Desk) -> None:
    for name, published in (("resp_1", True), ("resp_2", False)):
        await desk.opened(name, publish=published)
    await desk.pool.execute("update work set due_at = now() - interval '9 seconds'")
    await desk.pool.execute("update work set due_at = now() - interval '1 minute' where run_id = 'resp_2'")
    assert "unpublished-work" not in (await desk.run("doctor")).out


async def stalled(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("update work set due_at = now() - interval '1 minute'")


async def slow(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("update work set due_at = now() - interval '12 seconds'")


async def stuck(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.redis.delete(desk.keys.work("retrieve"))
    await desk.pool.execute("update work set published_at = now() - interval '1 minute'")


async def double_owned(desk: Desk) -> None:
    pointer = Pointer("resp_1", 1, 1, "retrieve", 1)
    for worker in ("ann", "bob"):
        streams = RedisStreams(desk.redis, desk.keys, worker)
        await streams.publish(pointer)
        await streams.reader("retrieve").join()
        assert await streams.reader("retrieve").new(1)


async def handed_out(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("update work set deliveries = 7")


async def gap(desk: Desk) -> None:
    await desk.settled(await desk.opened("resp_1"), finish())
    await desk.pool.execute("delete from events where seq = 1")


async def no_events(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("delete from events")


async def endless(desk: Desk) -> None:
    await desk.settled(await desk.opened("resp_1"), finish())
    await desk.pool.execute("update runs set ending_type = null")


async def other_ending(desk: Desk) -> None:
    await desk.settled(await desk.opened("resp_1"), finish())
    await desk.pool.execute("update runs set ending_type = 'run.failed'")


async def unread(desk: Desk) -> None:
    await desk.opened("resp_1")


async def deserted(desk: Desk) -> None:
    await desk.streams().publish(Pointer("resp_1", 1, 1, "abolished", 1))


async def paused(desk: Desk) -> None:
    await PostgresPauses(desk.pool).pause("intake", "moving", "ann")


async def dead_letter(desk: Desk) -> None:
    await desk.settled(await desk.opened("resp_1"), FAIL)


async def behind(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("update events set at = now() - interval '1 minute'")


async def gone(desk: Desk) -> None:
    await desk.pool.execute(
        "insert into instances (id, kind, release, started_at, seen_at) "
        "values ('w1', 'worker', '1', now() - interval '1 hour', now() - interval '1 minute')"
    )


async def stuck_job(desk: Desk) -> None:
    await desk.pool.execute(
        "insert into jobs (id, kind, arguments, asked_by, created_at) "
        "values ('job_1', 'replay', '{}', 'ann', now() - interval '5 minutes')"
    )


async def unwatched(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.pool.execute("update transport set seen_at = now() - interval '1 minute'")


async def wiped(desk: Desk) -> None:
    await met(desk, "3-c", 7)
    await desk.redis.delete(desk.keys.epoch)


async def went_back(desk: Desk) -> None:
    await met(desk, "3-c", 7)
    await desk.redis.hset(desk.keys.epoch, "mark", 5)


async def outlived_its_ledger(desk: Desk) -> None:
    await met(desk, "3-c", 7)
    await desk.redis.hset(desk.keys.epoch, "epoch", "4-d")


async def far_ahead_of_its_ledger(desk: Desk) -> None:
    await met(desk, "3-c", 7)
    await desk.redis.hset(desk.keys.epoch, "mark", 700)


async def met(desk: Desk, epoch: str, mark: int) -> None:
    """The ledger and Redis agree, until something is done to one of them."""
    await desk.pool.execute("update transport set epoch = $1, mark = $2, seen_at = now()", epoch, mark)
    await desk.redis.hset(desk.keys.epoch, mapping={"epoch": epoch, "mark": mark})
    assert "redis-epoch" not in await found(desk)


async def unaudited(desk: Desk) -> None:
    await desk.pool.execute("update transport set audit_at = now() - interval '1 minute'")


async def lost(desk: Desk) -> None:
    await desk.pool.execute("update transport set losses = 2, lost_at = now() - interval '30 minutes'")


async def old_ledger(desk: Desk) -> None:
    await desk.pool.execute("delete from migrations where number = (select max(number) from migrations)")


async def new_ledger(desk: Desk) -> None:
    await desk.pool.execute("insert into migrations (number, name) values (9999, '9999_future')")


async def careless(desk: Desk) -> None:
    name = await desk.pool.fetchval("select current_database()")
    await desk.pool.execute(f'alter database "{name}" set synchronous_commit = off')


async def failing_webhook(desk: Desk) -> None:
    await desk.pool.execute(
        "insert into webhooks (id, project_id, url, secret, failing_since) "
        "values ('wh_1', 'default', 'https://example.com', 'whsec_', now() - interval '130 minutes')"
    )


async def gone_webhook(desk: Desk) -> None:
    await failing_webhook(desk)
    await desk.pool.execute("update webhooks set disabled_at = now()")


PLANTS: list[tuple[Plant, str, Level, str, str]] = [
    (
        failing_webhook,
        "webhook-failing",
        Level.WARNING,
        "wh_1 of project default has failed for 2 hours",
        "webhooks retry",
    ),
    (gone_webhook, "webhook-gone", Level.WARNING, "said that it is gone", "webhooks retry"),
    (orphaned, "orphaned-run", Level.FAULT, "1 open run", "docs/operations.md"),
    (stray, "stray-work", Level.FAULT, "1 work row", "cuelight show"),
    (misplaced, "misplaced-work", Level.FAULT, "1 work row", "cuelight show"),
    (overdue, "overdue-run", Level.FAULT, "1 run past the deadline for up to 6", "relay"),
    (unpublished, "unpublished-work", Level.FAULT, "due at retrieve", "relay"),
    (stalled, "stalled-route", Level.FAULT, "1 run at retrieve", "start a worker"),
    (slow, "backlog", Level.WARNING, "oldest work at retrieve has waited 12 s", "more workers for retrieve"),
    (stuck, "stuck-work", Level.FAULT, "1 run stuck", "relay"),
    (double_owned, "double-owned", Level.WARNING, "ann, bob", "restart the worker"),
    (handed_out, "handed-out-often", Level.WARNING, "7 times; at 8", "killing its workers"),
    (gap, "event-gap", Level.FAULT, "1 run", "backup"),
    (no_events, "event-gap", Level.FAULT, "1 run", "backup"),
    (endless, "ending-missing", Level.FAULT, "1 ended run", "backup"),
    (other_ending, "ending-missing", Level.FAULT, "1 ended run", "backup"),
    (deserted, "deserted-route", Level.WARNING, "1 entry at abolished", "peek abolished"),
    (paused, "paused", Level.WARNING, "by ann", "cuelight resume intake"),
    (dead_letter, "dead-letters", Level.WARNING, "1 open dead letter of kind bug", "cuelight dead list"),
    (behind, "feed-behind", Level.WARNING, "1 event", "relay"),
    (gone, "instance-gone", Level.WARNING, "the worker w1", "start it again"),
    (stuck_job, "stuck-job", Level.WARNING, "job_1 is queued", "cuelight jobs"),
    (unwatched, "no-relay", Level.FAULT, "no relay has looked for 6", "start `cuelight relay`"),
    (wiped, "redis-epoch", Level.FAULT, "lost everything", "CUELIGHT_REDIS_URL"),
    (went_back, "redis-epoch", Level.FAULT, "older than the ledger", "CUELIGHT_REDIS_URL"),
    (outlived_its_ledger, "redis-epoch", Level.FAULT, "newer than the ledger", "CUELIGHT_REDIS_URL"),
    (far_ahead_of_its_ledger, "redis-epoch", Level.FAULT, "newer than the ledger", "CUELIGHT_REDIS_URL"),
    (unaudited, "redis-audit", Level.FAULT, "should have been looked for 6", "relay"),
    (lost, "redis-lost", Level.WARNING, "30 minutes ago, and 2 times", "docs/operations.md"),
    (old_ledger, "migrations", Level.FAULT, "lacks", "cuelight migrate"),
    (new_ledger, "migrations", Level.WARNING, "9999", "newer release"),
    (careless, "postgres-durability", Level.FAULT, "synchronous_commit is off", "alter system"),
]


@pytest.mark.parametrize(("plant", "check", "level", "said", "advice"), PLANTS, ids=[row[0].__name__ for row in PLANTS])
async def test_a_planted_violation_is_found_with_its_advice(
    desk: Desk, plant: Plant, check: str, level: Level, said: str, advice: str
) -> None:
    assert check not in await found(desk), "it must not be there before it is planted"
    await plant(desk)
    finding = (await found(desk))[check]
    assert finding.level is level
    assert said in finding.said and advice in finding.advice


async def test_a_mark_that_grew_while_the_doctor_looked_and_an_idle_ledger_that_nobody_ever_saw_are_no_findings(
    desk: Desk,
) -> None:
    await desk.pool.execute("update transport set seen_at = now() - interval '1 day'")
    assert "no-relay" not in await found(desk)
    await met(desk, "3-c", 7)
    await desk.redis.hset(desk.keys.epoch, "mark", 9)
    assert "redis-epoch" not in await found(desk)
    await desk.pool.execute("update transport set seen_at = now() - interval '1 minute'")
    assert (await found(desk))["no-relay"].level is Level.WARNING


async def test_examples_name_the_runs_in_question(desk: Desk) -> None:
    await orphaned(desk)
    assert (await found(desk))["orphaned-run"].examples == ("resp_1",)


async def test_the_documented_mend_gives_an_orphaned_run_its_row_again(desk: Desk) -> None:
    await orphaned(desk)
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    mend = page.split("## An open run without a work row\n")[1].split("```sql\n")[1].split("```")[0]
    await desk.pool.execute(mend.replace("resp_…", "resp_1"))
    told = await found(desk)
    assert not {"orphaned-run", "stray-work", "misplaced-work"} & set(told)
    await desk.pool.execute("update work set deadline = now() - interval '1 minute'")
    assert [it.pointer.run for it in await PostgresSweeps(desk.ledger).end_overdue()] == ["resp_1"]


async def test_a_route_without_a_worker_is_a_warning_until_work_waits_there(desk: Desk) -> None:
    idle = {it.subject: it.level for it in examine(await facts_of(desk)) if it.check == "no-reader"}
    assert idle == dict.fromkeys(("retrieve", "generate", "validate", "repair"), Level.WARNING)
    await unread(desk)
    busy = {it.subject: it.level for it in examine(await facts_of(desk)) if it.check == "no-reader"}
    assert busy == idle | {"retrieve": Level.FAULT}


async def test_work_held_by_a_worker_that_is_gone_is_found_and_by_one_that_lives_is_not(desk: Desk) -> None:
    await desk.opened("resp_1")
    reader = desk.streams("w1").reader("retrieve")
    await reader.join()
    assert await reader.new(1)
    facts = await facts_of(desk)
    assert not [it for it in examine(facts) if it.check == "dead-reader"]
    (dead,) = [it for it in examine(impatient(facts)) if it.check == "dead-reader"]
    assert dead.level is Level.FAULT and dead.examples == ("w1",) and "1 entry" in dead.said
    await desk.pool.execute("insert into instances (id, kind, release) values ('w1', 'worker', '1')")
    assert not [it for it in examine(impatient(await facts_of(desk))) if it.check == "dead-reader"]


def impatient(facts: Facts) -> Facts:
    """Facts judged as if nobody had looked into a stream for long."""
    return replace(facts, limits=replace(facts.limits, quiet_s=0.0))


async def test_nobody_is_missed_at_a_route_that_is_paused(desk: Desk) -> None:
    await stalled(desk)
    await PostgresPauses(desk.pool).pause("route:retrieve", "", "ann")
    told = examine(await facts_of(desk))
    assert not [it for it in told if it.subject == "retrieve"]
    (pause,) = [it for it in told if it.check == "paused"]
    assert "1 run waiting" in pause.said


async def test_a_process_that_was_replaced_is_not_missed(desk: Desk) -> None:
    await gone(desk)
    await desk.pool.execute("insert into instances (id, kind, release) values ('w2', 'worker', '1')")
    assert "instance-gone" not in await found(desk)


REDIS: list[tuple[dict[str, str], str | None, Level | None]] = [
    ({"maxmemory-policy": "allkeys-lru"}, "redis-eviction", Level.FAULT),
    ({"maxmemory": "1000000000000"}, None, None),
    ({"maxmemory": "1500000"}, "redis-memory", Level.FAULT),
    ({"appendfsync": "always"}, "redis-fsync", Level.WARNING),
    ({"appendonly": "no"}, "redis-aof", Level.WARNING),
]


@pytest.mark.parametrize(("settings", "check", "level"), REDIS, ids=str)
async def test_a_redis_that_is_set_dangerously_is_found(
    desk: Desk, settings: dict[str, str], check: str | None, level: Level | None
) -> None:
    async with redis_set(desk, settings):
        told = {it.check: it.level for it in examine(await facts_of(desk)) if it.check.startswith("redis")}
    assert told == ({} if check is None else {check: level})


@asynccontextmanager
async def redis_set(desk: Desk, settings: dict[str, str]) -> AsyncIterator[None]:
    """The server set otherwise for a while; what stood before comes back."""
    before = {name: str((await desk.redis.config_get(name))[name]) for name in settings}
    try:
        for name, value in settings.items():
            await desk.redis.config_set(name, value)
        yield
    finally:
        for name, value in before.items():
            await desk.redis.config_set(name, value)


async def test_an_engine_that_is_away_is_told_and_the_other_is_still_examined(desk: Desk) -> None:
    await orphaned(desk)
    no_redis = await found(desk, EngineUrls(desk.urls.database_url, "redis://127.0.0.1:1/0"))
    assert "streams-away" in no_redis and "orphaned-run" in no_redis
    await deserted(desk)
    no_ledger = await found(desk, EngineUrls("postgresql://a:secret@127.0.0.1:1/a", desk.urls.redis_url))
    assert "ledger-away" in no_ledger and "deserted-route" in no_ledger
    assert "secret" not in no_ledger["ledger-away"].said


async def test_a_healthy_system_gives_no_finding_while_it_works_and_after(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.worker(), it.door() as http:
        for _ in range(3):
            assert (await http.post("/v1/responses", json=QUESTION)).json()["status"] == "completed"
            assert await until(lambda: healthy(it.settings, it.urls))


async def test_a_busy_system_gives_no_finding_either(house: Open) -> None:
    async with house({"answer": RIGHT, "times": 1_000}, lease_s=2.0) as it, it.worker(), it.worker(), it.door() as http:
        done = asyncio.Event()

        async def ask() -> None:
            while not done.is_set():
                assert (await http.post("/v1/responses", json=QUESTION)).json()["status"] == "completed"

        asking = [asyncio.create_task(ask()) for _ in range(8)]
        assert await until(lambda: healthy(it.settings, it.urls)), "the readers have joined"
        looks = [await twice(it.settings, it.urls) for _ in range(3)]
        done.set()
        await asyncio.gather(*asking)
        assert looks == [[]] * 3


async def healthy(settings: Settings, urls: EngineUrls) -> bool:
    """Whether the doctor has nothing to say; what it says instead is shown by the test that waits."""
    return examine(await gather(settings, urls)) == []


async def test_the_command_ends_with_a_code_for_monitors_and_reads_well_in_eighty_columns(desk: Desk) -> None:
    warned = await desk.run("doctor", "--json")
    assert (warned.code, warned.json["status"]) == (5, "warning")
    await orphaned(desk)
    faulty = await desk.run("doctor")
    assert faulty.code == 1 and faulty.lines[0].startswith("fault ")
    assert max(map(len, faulty.lines)) <= 80 and "resp_1" in faulty.out
