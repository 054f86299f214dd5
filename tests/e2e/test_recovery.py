"""What a relay does about a Redis that lost something, with a hand on each part of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from structlog.testing import capture_logs

from agent.adapters.embedded import Engines
from agent.adapters.ledger.epochs import PostgresEpochs
from agent.adapters.ledger.postgres import PostgresLedger
from agent.adapters.ledger.sweeps import PostgresSweeps
from agent.adapters.streams.client import connect
from agent.adapters.streams.redis import RedisStreams, RouteReader
from agent.errors import Transient
from agent.outcome import Postpone
from agent.ports import Begun, Delivery, Pointer
from tests.chaos.servers import Valkey
from tests.contract.toys import advance, model_call, new_run
from tests.e2e.house import QUESTION, RIGHT, House, Open, until
from workers.recover import Recovery

LEASE_S = 3_600.0
"""Longer than any test: an audit comes when the test says so."""
BACK_UP = """
create table old_runs as table runs;
create table old_events as table events;
create table old_work as table work;
create table old_transport as table transport;
"""
RESTORE = """
truncate runs, events, work, transport, attempts, calls cascade;
insert into runs table old_runs;
insert into events table old_events;
insert into work table old_work;
insert into transport table old_transport;
"""


class Bench:
    """A relay's recovery, its ledger and its streams, without a worker."""

    def __init__(self, it: House) -> None:
        self.it = it
        self.ledger = PostgresLedger(it.pool)
        self.sweeps = PostgresSweeps(self.ledger)
        self.streams = RedisStreams(it.redis, it.keys, "bench")
        self.recovery = Recovery(
            PostgresEpochs(it.pool),
            self.sweeps,
            self.streams,
            routes=("first", "second"),
            every_s=0.0,
            lease_s=LEASE_S,
        )

    async def settle(self) -> None:
        """Until both sides agree and no audit is due."""
        await self.recovery.sweep()
        await self.recovery.sweep()
        await self.it.pool.execute("update transport set audit_at = null")

    async def open(self, count: int) -> list[Pointer]:
        """Runs whose work is published."""
        pointers = []
        for number in range(count):
            new = new_run(f"resp_{number:032x}")
            await self.ledger.open(new)
            pointers.append(new.pointer)
        await self.sweeps.publish_due(self.streams.publish_all, 0.0)
        return pointers

    async def begin(self, pointer: Pointer) -> Begun:
        begun = await self.ledger.begin(Delivery(pointer))
        assert begun is not None
        return begun

    async def standing(self) -> dict[str, list[str]]:
        """The runs in each stream."""
        routes = ("first", "second")
        return {route: [entry["run"] for entry in await self.it.entries(self.it.keys.work(route))] for route in routes}

    async def lease_passes(self) -> None:
        await self.it.pool.execute("update transport set audit_at = now() where audit_at is not null")


async def test_after_a_loss_untouched_work_is_published_at_once_and_the_rest_when_a_lease_has_passed(
    house: Open,
) -> None:
    async with house() as it:
        bench = Bench(it)
        await bench.settle()
        waiting, taken, later = await bench.open(3)
        await bench.begin(taken)
        assert await bench.ledger.commit(
            await bench.begin(later), Postpone(3_600.0, "transport", "later", counted=True)
        )
        await it.redis.flushall()
        await bench.recovery.sweep()
        assert await bench.standing() == {"first": [waiting.run], "second": []}
        await bench.recovery.sweep()
        assert await bench.standing() == {"first": [waiting.run], "second": []}
        await bench.lease_passes()
        await bench.recovery.sweep()
        assert await bench.standing() == {"first": [waiting.run, taken.run], "second": []}
        row = await it.pool.fetchrow("select audit_at, audited_at from transport")
        assert row is not None and row["audit_at"] is None and row["audited_at"] is not None


async def test_the_groups_of_all_routes_are_made_again_and_begin_with_the_first_entry(house: Open) -> None:
    async with house() as it:
        bench = Bench(it)
        await bench.settle()
        await bench.open(2)
        await it.redis.flushall()
        await bench.recovery.sweep()
        for route in ("first", "second"):
            (group,) = await it.redis.xinfo_groups(it.keys.work(route))
            assert (group["name"], group["last-delivered-id"]) == (route, "0-0")
        assert len(await bench.streams.reader("first").new(10)) == 2


async def test_a_loss_that_nobody_noticed_yet_does_not_make_work_under_way_look_lost(house: Open) -> None:
    async with house() as it:
        bench = Bench(it)
        await bench.settle()
        (pointer,) = await bench.open(1)
        await bench.begin(pointer)
        await it.redis.flushall()
        assert await bench.sweeps.look_for(bench.recovery.missing, 0.0) == 0
        await bench.recovery.sweep()
        assert await bench.sweeps.look_for(bench.recovery.missing, 0.0) == 0, "a lease has not passed yet"
        await bench.lease_passes()
        await bench.recovery.sweep()
        assert (await bench.standing())["first"] == [pointer.run]
        await it.redis.delete(it.keys.work("first"))
        assert await bench.sweeps.look_for(bench.recovery.missing, 0.0) == 1, "now Redis is believed again"


async def test_a_second_loss_just_before_the_audit_puts_it_off(house: Open) -> None:
    async with house() as it:
        bench = Bench(it)
        await bench.settle()
        (pointer,) = await bench.open(1)
        await bench.begin(pointer)
        await it.redis.flushall()
        await bench.recovery.sweep()
        await bench.lease_passes()
        await it.redis.delete(it.keys.epoch)
        with pytest.raises(Transient, match="lost again"):
            await bench.recovery.audit_if_due()
        await bench.recovery.sweep()
        assert (await bench.standing())["first"] == []
        await bench.lease_passes()
        await bench.recovery.sweep()
        assert (await bench.standing())["first"] == [pointer.run]


async def test_a_thousand_open_runs_are_published_again_in_one_audit(house: Open) -> None:
    async with house() as it:
        bench = Bench(it)
        await bench.settle()
        await it.pool.execute(
            "insert into runs (id, project_id, agent, agent_version, prompts, request, deadline) "
            "select 'resp_' || n, 'default', 'toy', '1', '{}', '{}', now() + interval '1 hour' "
            "from generate_series(1, 1200) n"
        )
        await it.pool.execute(
            "insert into work (run_id, generation, seq, route, project_id, deadline, entry, published_at, deliveries) "
            "select id, 1, 1, 'first', 'default', deadline, '1-1', now(), 1 from runs"
        )
        await it.redis.flushall()
        await bench.recovery.sweep()
        await bench.lease_passes()
        await bench.recovery.sweep()
        standing = (await bench.standing())["first"]
        assert len(standing) == len(set(standing)) == 1_200


async def test_two_relays_that_mend_the_same_loss_publish_each_work_once(house: Open) -> None:
    async with house() as it:
        benches = [Bench(it), Bench(it)]
        await benches[0].settle()
        pointers = await benches[0].open(20)
        await it.redis.flushall()
        await asyncio.gather(*(bench.recovery.sweep() for bench in benches))
        assert sorted((await benches[0].standing())["first"]) == sorted(pointer.run for pointer in pointers)
        assert await it.pool.fetchval("select losses from transport") == 1


async def test_what_an_older_backup_does_not_know_is_dropped_and_the_run_goes_on_from_where_the_backup_is(
    house: Open,
) -> None:
    async with house() as it:
        bench = Bench(it)
        await bench.settle()
        run, unknown = await bench.open(2)
        await it.pool.execute(BACK_UP)
        await bench.recovery.sweep()
        await bench.recovery.sweep()
        reader = bench.streams.reader("first")
        for delivery in await reader.new(10):
            assert isinstance(delivery, Delivery)
            begun = await bench.begin(delivery.pointer)
            assert await bench.ledger.commit(begun, advance(1, "second"))
            await bench.streams.ack(delivery)
        await bench.sweeps.publish_due(bench.streams.publish_all, 0.0)
        assert await bench.standing() == {"first": [], "second": [run.run, unknown.run]}

        await it.pool.execute(RESTORE)
        await it.pool.execute("delete from work where run_id = $1", unknown.run)
        await it.pool.execute("delete from events where run_id = $1", unknown.run)
        await it.pool.execute("delete from runs where id = $1", unknown.run)

        await bench.recovery.sweep()
        assert await it.pool.fetchval("select restores from transport") == 1
        strangers = await bench.streams.reader("second").new(10)
        assert [await bench.ledger.begin(it) for it in strangers if isinstance(it, Delivery)] == [None, None]
        assert (await bench.standing())["first"] == [run.run]
        assert (await bench.begin(run)).deliveries == 1


async def test_the_money_that_a_run_has_spent_is_the_same_before_and_after_a_flushall(house: Open) -> None:
    async with house() as it:
        bench = Bench(it)
        await bench.settle()
        (pointer,) = await bench.open(1)
        begun = await bench.begin(pointer)
        begun.calls.append(model_call(cost_usd="0.25"))
        assert await bench.ledger.commit(begun, advance(1, "second"))
        await it.redis.flushall()
        await bench.recovery.sweep()
        (again,) = await bench.streams.reader("second").new(10)
        assert isinstance(again, Delivery)
        assert (await bench.begin(again.pointer)).spent_usd == Decimal("0.25")


@pytest.mark.parametrize("command", ["FLUSHALL", "DEL", "XGROUP DESTROY"])
async def test_a_reader_that_waits_while_its_stream_or_group_is_lost_reads_what_comes_next(
    house: Open, command: str
) -> None:
    async with house() as it, connect(it.urls.redis_url) as client:
        streams = RedisStreams(client, it.keys, "reader")
        reader, key = streams.reader("first"), it.keys.work("first")
        await reader.join()
        waiting = asyncio.create_task(reader.new(1))
        await until(lambda: blocked(it))
        words = {"FLUSHALL": [], "DEL": [key], "XGROUP DESTROY": [key, "first"]}[command]
        await it.redis.execute_command(*command.split(), *words)  # type: ignore[no-untyped-call]  # redis has no type
        pointer = Pointer("resp_1", 1, 1, "first", 1)
        await streams.publish(pointer)
        found = list(await waiting)
        while not found:
            found += await reader.new(1)
        assert [delivery.pointer for delivery in found if isinstance(delivery, Delivery)] == [pointer]


@pytest.mark.parametrize("lost", ["never there", "DEL", "XGROUP DESTROY"])
async def test_a_reader_whose_stream_or_group_is_not_there_can_leave_all_the_same(house: Open, lost: str) -> None:
    async with house() as it, connect(it.urls.redis_url) as client:
        reader, key = RedisStreams(client, it.keys, "reader").reader("first"), it.keys.work("first")
        if lost != "never there":
            await reader.join()
            await it.redis.execute_command(*lost.split(), key, *(["first"] if "XGROUP" in lost else []))  # type: ignore[no-untyped-call]  # redis has no type
        await reader.leave()
        assert not await it.redis.exists(key) or not await it.redis.xinfo_groups(key)


async def test_names_of_workers_that_are_long_gone_are_taken_out_but_never_one_that_holds_work(
    house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house() as it, connect(it.urls.redis_url) as client:

        def reader(name: str) -> RouteReader:
            return RedisStreams(client, it.keys, name).reader("first")

        async def names() -> dict[str, int]:
            found: Any = await it.redis.xinfo_consumers(it.keys.work("first"), "first")
            return {row["name"]: row["pending"] for row in found}

        await it.redis.xadd(it.keys.work("first"), {"any": "work"})
        await reader("holder").join()
        assert await reader("holder").new(1)
        await it.redis.xgroup_createconsumer(it.keys.work("first"), "first", "killed")
        await reader("new").join()
        assert await names() == {"holder": 1, "killed": 0}, "it may only be slow"
        monkeypatch.setattr("agent.adapters.streams.redis.NAMES_KEPT_MS", 0)
        await reader("new").join()
        assert await names() == {"holder": 1}


async def test_work_that_was_handed_out_often_and_never_begun_is_not_taken_for_what_kills_workers(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.door() as http:
        waiting = asyncio.create_task(http.post("/v1/responses", json=QUESTION))
        await until(it.published)
        (delivery,) = await RedisStreams(it.redis, it.keys, "without a ledger").reader("retrieve").new(1)
        ours, entries = (it.keys.work("retrieve"), "retrieve", "without a ledger"), (delivery.entry,)
        await it.redis.xclaim(*ours, 0, entries, idle=60_000, retrycount=9)
        with capture_logs() as lines:
            async with it.worker():
                assert (await waiting).json()["status"] == "completed"
        told = {line["event"] for line in lines}
        assert "taken_over" in told and "suspect_waits_for_its_turn" not in told


async def blocked(it: House) -> bool:
    return any("b" in client["flags"] for client in await it.redis.client_list())


@asynccontextmanager
async def own_redis(home: Path) -> AsyncIterator[tuple[Valkey, Redis, Redis]]:
    """A server of a test's own, a client that is soon out of patience, and one that is not."""
    server = Valkey(home)
    server.start()
    assert await server.up()
    told: dict[str, Any] = {"decode_responses": True, "retry": Retry(NoBackoff(), 0)}
    hasty = Redis.from_url(f"unix://{server.socket}", socket_timeout=0.2, **told)
    try:
        async with hasty, Redis.from_url(f"unix://{server.socket}", socket_timeout=60, **told) as patient:
            yield server, hasty, patient
    finally:
        await server.kill()


async def test_a_publication_that_timed_out_and_was_carried_out_is_published_again_and_begun_once(
    engines: Engines, house: Open, data_dir: Path
) -> None:
    async with house() as it, own_redis(data_dir) as (server, hasty, patient):
        ledger = PostgresLedger(it.pool)
        sweeps, streams = PostgresSweeps(ledger), RedisStreams(hasty, it.keys, "slow")
        new = new_run("resp_slow")
        await ledger.open(new)
        await until(lambda: connected(streams))  # so that there is something to send it on
        os.kill(server.pid, SIGSTOP)
        with pytest.raises(Transient):
            await sweeps.publish_due(streams.publish_all, 0.0)
        os.kill(server.pid, SIGCONT)
        assert await server.up()
        streams = RedisStreams(patient, it.keys, "slow")
        assert (await sweeps.publish_due(streams.publish_all, 0.0)).published == 1
        reader = streams.reader("first")
        await reader.join()
        found: list[Any] = list(await reader.new(10))
        assert [delivery.pointer for delivery in found] == [new.pointer] * 2
        assert [begun is not None for begun in [await ledger.begin(delivery) for delivery in found]].count(True) == 1


async def connected(streams: RedisStreams) -> bool:
    with suppress(Transient):
        await streams.ping()
        return True
    return False
