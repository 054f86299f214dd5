"""A lane by itself: which connection it uses, how long it keeps it, and which one it does not keep."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from agent.adapters.ledger.connect import Pool
from agent.adapters.ledger.lane import Lane


class Connection:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.closed = False

    async def execute(self, statement: str) -> None:
        self.said.append(statement)

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True


class Connections:
    """A pool that makes connections without end, and remembers which are lent and which came back."""

    def __init__(self) -> None:
        self.lent: list[Connection] = []
        self.back: list[Connection] = []
        self.came_back = asyncio.Event()
        self.expired = 0

    async def acquire(self, *, timeout: float) -> Connection:
        self.lent.append(Connection())
        return self.lent[-1]

    async def release(self, connection: Connection) -> None:
        self.back.append(connection)
        self.came_back.set()

    async def expire_connections(self) -> None:
        self.expired += 1


@pytest.fixture
def pool() -> Connections:
    return Connections()


def lane(pool: Connections, keep_s: float = 3600) -> Lane:
    return Lane(cast(Pool, pool), keep_s)


async def used(lane: Lane, error: Exception | None = None) -> Any:
    """The connection that the lane gave for one use."""
    async with lane.connection() as connection:
        if error is not None:
            raise error
        return connection


async def test_the_same_connection_is_used_again_without_the_pool(pool: Connections) -> None:
    it = lane(pool)
    assert await used(it) is await used(it)
    assert (len(pool.lent), pool.back) == (1, [])


async def test_an_idle_connection_goes_back_to_the_pool(pool: Connections) -> None:
    it = lane(pool, keep_s=0)
    first = await used(it)
    await pool.came_back.wait()
    assert pool.back == [first]
    assert await used(it) is not first


async def test_a_connection_is_given_back_when_it_is_asked_for(pool: Connections) -> None:
    it = lane(pool)
    first = await used(it)
    await it.give_back()
    await it.give_back()
    assert pool.back == [first]


async def test_a_connection_on_which_something_failed_is_not_kept(pool: Connections) -> None:
    it = lane(pool)
    with pytest.raises(ZeroDivisionError):
        await used(it, ZeroDivisionError())
    assert pool.back == pool.lent
    assert not pool.lent[0].closed
    assert await used(it) is pool.lent[1]


async def test_a_connection_whose_server_did_not_answer_is_thrown_away(pool: Connections) -> None:
    with pytest.raises(TimeoutError):
        await used(lane(pool), TimeoutError())
    assert pool.lent[0].closed
    assert pool.back == pool.lent


async def test_a_connection_that_was_closed_meanwhile_is_replaced(pool: Connections) -> None:
    it = lane(pool)
    first = await used(it)
    first.closed = True
    assert await used(it) is not first
    assert pool.back == [first]


async def test_a_transaction_begins_and_commits_or_rolls_back(pool: Connections) -> None:
    it = lane(pool)
    async with it.transaction():
        pass
    assert pool.lent[0].said == ["begin", "commit"]
    with pytest.raises(ZeroDivisionError):
        async with it.transaction():
            raise ZeroDivisionError
    assert pool.lent[0].said == ["begin", "commit", "begin", "rollback"]
