"""The marks in the ledger and in Redis: what is told apart, what is counted, and that relays do not disturb another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.adapters.ledger.epochs import PostgresEpochs
from agent.adapters.streams.redis import RedisStreams
from agent.epoch import Change, Known, Look, Seen
from agent.errors import Transient
from tests.e2e.house import House, Open

LEASE_S = 60.0


class Watch:
    """A relay's eyes alone."""

    def __init__(self, it: House) -> None:
        self.epochs = PostgresEpochs(it.pool)
        self.streams = RedisStreams(it.redis, it.keys, "watcher")
        self._pool = it.pool

    async def look(self, within_s: float = 0.0) -> Look | None:
        return await self.epochs.look(self.streams.meet, within_s, LEASE_S)

    async def changes(self, looks: int = 1) -> list[Change]:
        found = [await self.look() for _ in range(looks)]
        return [look.change for look in found if look is not None]

    async def counted(self) -> dict[str, int]:
        row = await self.row()
        names = ("losses", "rewinds", "restores", "restarts", "regroups")
        return {name: row[name] for name in names if row[name]}

    async def row(self) -> Any:
        return await self._pool.fetchrow("select * from transport")

    async def settle(self) -> None:
        """Until both sides agree."""
        assert await self.changes(4) == [Change.FIRST, Change.ARRIVED, Change.NONE, Change.NONE]


async def test_the_mark_grows_in_the_ledger_first_and_then_in_redis(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()
        before = await watch.row()
        assert await watch.changes(3) == [Change.NONE] * 3
        after = await watch.row()
        assert (after["epoch"], after["mark"]) == (before["epoch"], before["mark"] + 3)
        stands: Any = await it.redis.hgetall(it.keys.epoch)
        assert stands == {"epoch": after["epoch"], "mark": str(after["mark"] - 1)}


async def test_a_wiped_redis_begins_an_epoch_and_is_counted_once(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()
        old = (await watch.row())["epoch"]
        await it.redis.flushall()
        assert await watch.changes(4) == [Change.WIPED, Change.ARRIVED, Change.NONE, Change.NONE]
        assert await watch.counted() == {"losses": 1}
        row = await watch.row()
        assert row["epoch"] != old and row["lost_at"] is not None and row["audit_at"] > row["lost_at"]


async def test_a_redis_that_went_back_in_time_is_told_from_an_empty_one(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()
        copy: Any = await it.redis.dump(it.keys.epoch)
        assert await watch.changes(2) == [Change.NONE] * 2
        await it.redis.restore(it.keys.epoch, 0, copy, replace=True)
        assert await watch.changes(3) == [Change.REWOUND, Change.ARRIVED, Change.NONE]
        await it.redis.restore(it.keys.epoch, 0, copy, replace=True)  # from before the new epoch
        assert await watch.changes(3) == [Change.REWOUND, Change.ARRIVED, Change.NONE]
        assert await watch.counted() == {"losses": 2, "rewinds": 2}


async def test_a_ledger_that_is_older_than_redis_is_noticed_and_no_epoch_is_used_twice(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()
        backup = await watch.row()
        await it.redis.flushall()
        assert await watch.changes(3) == [Change.WIPED, Change.ARRIVED, Change.NONE]
        newer = (await watch.row())["epoch"]
        await it.pool.execute("update transport set epoch = $1, mark = $2, losses = 0", backup["epoch"], backup["mark"])
        assert await watch.changes(3) == [Change.RESTORED, Change.ARRIVED, Change.NONE]
        assert (await watch.row())["epoch"] not in (backup["epoch"], newer)
        assert await watch.counted() == {"restores": 1}


async def test_a_ledger_whose_mark_fell_back_within_an_epoch_is_noticed(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()
        await it.pool.execute("update transport set mark = mark - 2")
        assert await watch.changes(3) == [Change.RESTORED, Change.ARRIVED, Change.NONE]


async def test_another_server_with_the_same_mark_is_a_restart_without_loss(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()
        await it.pool.execute("update transport set server = 'the one before', audit_at = null")
        assert await watch.changes(2) == [Change.RESTARTED, Change.NONE]
        assert await watch.counted() == {"restarts": 1}
        assert (await watch.row())["audit_at"] is not None


@pytest.mark.parametrize("fault", ["the stream", "the group"])
async def test_a_group_that_a_reader_had_to_make_again_asks_for_an_audit(house: Open, fault: str) -> None:
    async with house() as it:
        watch = Watch(it)
        reader = watch.streams.reader("retrieve")
        await reader.join()
        await watch.settle()
        await it.pool.execute("update transport set audit_at = null")
        key = it.keys.work("retrieve")
        await (it.redis.delete(key) if fault == "the stream" else it.redis.xgroup_destroy(key, "retrieve"))
        assert list(await reader.inherited(1, 1.0)) == []
        assert await watch.changes(2) == [Change.REGROUPED, Change.NONE]
        assert await watch.counted() == {"regroups": 1}
        assert (await watch.row())["audit_at"] is not None


async def test_one_of_many_relays_looks_and_the_others_need_not(house: Open) -> None:
    async with house() as it:
        watches = [Watch(it) for _ in range(5)]
        await it.pool.execute("update transport set seen_at = clock_timestamp()")
        found = await asyncio.gather(*(watch.look(LEASE_S) for watch in watches))
        assert found == [None] * 5, "the row says that somebody looked just now"
        await it.pool.execute("update transport set seen_at = 'epoch'")
        found = await asyncio.gather(*(watch.look(LEASE_S) for watch in watches))
        assert [look.change for look in found if look is not None] == [Change.FIRST]


async def test_a_look_that_redis_did_not_answer_changes_nothing_although_it_was_carried_out(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()

        async def deaf(known: Known) -> Seen:
            await watch.streams.meet(known)
            raise Transient("the answer was lost", kind="streams")

        with pytest.raises(Transient):
            await watch.epochs.look(deaf, 0.0, LEASE_S)
        assert await watch.changes(2) == [Change.NONE] * 2


async def test_a_command_that_was_held_up_by_a_frozen_server_does_not_turn_the_mark_back(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()
        row = await watch.row()
        late = Known(row["epoch"], row["mark"], row["server"])
        assert await watch.changes(3) == [Change.NONE] * 3
        await watch.streams.meet(late)
        assert await watch.changes() == [Change.NONE]


async def test_a_stranger_on_the_key_is_taken_for_a_loss_and_does_not_stop_the_relay(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        await watch.settle()
        await it.redis.set(it.keys.epoch, "rubbish")
        assert await watch.changes(3) == [Change.WIPED, Change.ARRIVED, Change.NONE]


async def test_an_audit_is_done_by_one_relay_and_one_that_becomes_due_meanwhile_stays(house: Open) -> None:
    async with house() as it:
        watch = Watch(it)
        assert await watch.epochs.claim_audit() is None
        await it.pool.execute("update transport set audit_at = now()")
        token = await watch.epochs.claim_audit()
        assert token is not None and await watch.epochs.claim_audit() is None
        await it.pool.execute("update transport set audit_at = now()")
        await watch.epochs.audited(token)
        second = await watch.epochs.claim_audit()
        assert second is not None
        await watch.epochs.audited(second)
        row = await watch.row()
        assert row["audit_at"] is None and row["audited_at"] is not None
