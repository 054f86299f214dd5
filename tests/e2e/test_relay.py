"""What only the relay does: deadlines, lost entries, and the feed."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import pytest

from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.sweeps import PostgresSweeps
from agent.adapters.streams.redis import RedisStreams
from agent.agents import documents
from agent.ports import FeedRow
from tests.e2e.house import QUESTION, RIGHT, WRONG, House, Open, until


async def test_a_run_that_nobody_works_on_fails_at_its_deadline(house: Open) -> None:
    async with house() as it, it.worker(["validate"]), it.door() as http:
        body = (await http.post("/v1/responses", json=QUESTION | {"model": "hasty"})).json()
        assert (body["status"], body["metadata"]["cuelight.error_code"]) == ("failed", "deadline_exceeded")
        assert await it.attempts(body["id"]) == []


async def test_work_entries_are_flat_fields_that_a_person_can_read(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        run = await until(it.published)
        (fields,) = await it.entries(it.keys.work("retrieve"))
        assert fields.pop("trace").startswith("00-")
        where = {"generation": "1", "seq": "1", "route": "retrieve", "attempt": "1"}
        assert fields == {"run": run, **where, "project": "default"}
        async with it.worker():
            assert (await waiting).json()["status"] == "completed"


async def test_work_whose_entry_is_gone_is_found_and_published_again(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        await until(it.published)
        sweeps = PostgresSweeps(PostgresLedger(it.pool))
        streams = RedisStreams(it.redis, it.keys, "sweeper")
        assert await sweeps.look_for(streams.missing, 0.0) == 0
        await it.redis.delete(it.keys.work("retrieve"))
        assert await sweeps.look_for(streams.missing, 0.0) == 1
        async with it.worker():
            assert (await waiting).json()["status"] == "completed"


async def test_the_feed_tells_every_event_once_in_order_and_without_a_word_of_text(house: Open) -> None:
    async with house({"answer": WRONG, "times": 1}, {"answer": RIGHT}) as it, it.worker(), it.door() as http:
        replies = await asyncio.gather(*(http.post("/v1/responses", json=QUESTION) for _ in range(3)))
        assert {reply.json()["status"] for reply in replies} == {"completed"}
        feed = await until(lambda: whole_feed(it))
        seqs = defaultdict(list)
        for fact in feed:
            seqs[fact["run"]].append(int(fact["seq"]))
        judged = 1 + len(documents.checks)
        assert sorted(map(len, seqs.values())) == [4 + judged, 4 + judged, 6 + 2 * judged]
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in seqs.values())
        assert len({fact["id"] for fact in feed}) == len(feed)
        told = " ".join(value for fact in feed for value in fact.values())
        assert not [word for word in ("warranty", "marmalade", "Certainly", "lamp") if word in told]


async def whole_feed(it: House) -> list[dict[str, str]]:
    """The feed once it holds as many events as the ledger."""
    found = await it.entries(it.keys.feed)
    return found if len(found) == await it.pool.fetchval("select count(*) from events") else []


async def test_a_redis_that_forgot_everything_breaks_nothing(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.worker(), it.door() as http:
        first = (await http.post("/v1/responses", json=QUESTION)).json()
        assert await until(lambda: whole_feed(it))
        await it.redis.flushall()
        second = (await http.post("/v1/responses", json=QUESTION)).json()
        assert first["status"] == second["status"] == "completed"

        async def fed() -> bool:
            runs = [fact["run"] for fact in await it.entries(it.keys.feed)]
            return runs == [second["id"]] * (5 + len(documents.checks))

        assert await until(fed)


async def test_the_feed_lets_go_of_what_is_old_by_the_ledgers_clock_whatever_the_hosts_says(
    house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = time.time
    async with house({"answer": RIGHT}) as it, it.door() as http:
        now_s, _ = await it.redis.time()
        for days, count in ((8, 300), (1, 300)):
            for number in range(count):
                await it.redis.xadd(it.keys.feed, {"days": days}, id=f"{(now_s - days * DAY_S) * 1000}-{number}")
        monkeypatch.setattr(time, "time", lambda: hosts() + 30 * DAY_S)
        async with it.worker():
            await http.post("/v1/responses", json=QUESTION)

            async def told() -> list[str]:
                found = [fact.get("days", "new") for fact in await it.entries(it.keys.feed)]
                return found if found.count("new") == 5 + len(documents.checks) else []

            kept = await until(told)
    assert kept.count("1") == 300
    assert kept.count("8") < 100, "the server lets go of whole nodes of a hundred entries"


DAY_S = 86_400


async def test_of_two_transactions_the_one_that_began_first_and_committed_last_is_not_passed_over(house: Open) -> None:
    async with house() as it:
        sweeps, told = PostgresSweeps(PostgresLedger(it.pool)), list[str]()

        async def write(rows: Sequence[FeedRow]) -> None:
            told.extend(row.envelope.key.run for row in rows)

        async def feed() -> list[str]:
            while await sweeps.copy_feed(write):
                pass
            return told

        await it.pool.execute(RUNS)
        async with it.pool.acquire() as slow:
            late = slow.transaction()
            await late.start()
            await slow.execute(HAPPENED, "resp_early")
            await it.pool.execute(HAPPENED, "resp_late")
            assert await feed() == [], "what comes after an open transaction waits for it"
            await late.commit()

        async def whole() -> bool:
            return len(await feed()) == 2

        await until(whole)
        assert told == ["resp_early", "resp_late"]


RUNS = """
insert into runs (id, project_id, agent, agent_version, prompts, request, deadline)
select id, 'default', 'chat', '1', '{}', '{}', now() + interval '1 hour'
from unnest(array['resp_early', 'resp_late']) as id
"""
HAPPENED = "insert into events (run_id, generation, seq, type, version, data) values ($1, 1, 1, 'any', 1, '{}')"
