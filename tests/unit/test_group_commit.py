"""Group commit by itself: what callers of one batch may and may not do to one another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from asyncpg import exceptions

from agent.adapters.ledger.group import GroupCommit
from agent.errors import Refused, Transient


class Store:
    """Doubles numbers; refuses odd ones, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.batches: list[list[int]] = []
        self.failures = list(failures)

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        if any(item % 2 for item in items):
            raise exceptions.CharacterNotInRepertoireError("an odd number")
        return [item * 2 for item in items]


async def test_callers_of_one_moment_share_a_transaction() -> None:
    store = Store()
    group = GroupCommit(store)
    assert await asyncio.gather(*(group.submit(n) for n in (2, 4, 6))) == [4, 8, 12]
    assert store.batches == [[2, 4, 6]]


async def test_a_row_that_is_refused_harms_no_other() -> None:
    group = GroupCommit(Store())
    found = await asyncio.gather(*(group.submit(n) for n in (2, 3, 4, 6)), return_exceptions=True)
    assert isinstance(found[1], Refused)
    assert [found[0], *found[2:]] == [4, 8, 12]


async def test_a_deadlock_runs_the_batch_again() -> None:
    store = Store(exceptions.DeadlockDetectedError("again"))
    assert await GroupCommit(store).submit(2) == 4
    assert store.batches == [[2], [2]]


async def test_a_database_that_is_away_is_transient_for_everybody() -> None:
    group = GroupCommit(Store(ConnectionResetError("gone")))
    found = await asyncio.gather(group.submit(2), group.submit(4), return_exceptions=True)
    assert all(isinstance(error, Transient) for error in found)
    assert await group.submit(2) == 4, "and the next batch is tried afresh"


async def test_a_batch_is_bounded_in_bytes_and_a_large_item_goes_alone() -> None:
    store = Store()
    group = GroupCommit(store, most_bytes=100)
    await asyncio.gather(group.submit(2, 60), group.submit(4, 60), group.submit(6, 500))
    assert store.batches == [[2], [4], [6]]


async def test_a_caller_that_left_does_not_hold_up_the_others() -> None:
    group = GroupCommit(Store())
    leaving = asyncio.create_task(group.submit(2))
    staying = asyncio.create_task(group.submit(4))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 8


async def test_draining_waits_for_what_is_being_written() -> None:
    store = Store()
    group = GroupCommit(store)
    writing = asyncio.create_task(group.submit(2))
    await asyncio.sleep(0)
    await group.drain()
    assert store.batches == [[2]]
    assert await writing == 4


async def test_an_error_of_our_own_reaches_its_callers() -> None:
    group = GroupCommit(Store(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        await group.submit(2)
