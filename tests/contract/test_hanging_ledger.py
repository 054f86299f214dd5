"""A connection whose server has stopped answering is given up in time, and nobody gets it again."""

from __future__ import annotations

import os
import signal

import pytest

from agent.adapters.ledger import connect as connecting
from agent.adapters.ledger.migrate import migrate
from agent.adapters.ledger.postgres import PostgresLedger
from agent.errors import Transient
from tests.contract.toys import new_run


async def test_a_connection_that_hangs_is_thrown_away_and_the_next_one_answers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(database_url)
    monkeypatch.setattr(connecting, "PATIENCE_S", 0.5)
    pool = await connecting.connect(database_url, most=1, patience_s=0.5)
    hot = await connecting.connect_hot(database_url, most=1)
    stopped = [await one.fetchval("select pg_backend_pid()") for one in (pool, hot)]
    ledger = PostgresLedger(pool, hot)
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Transient):
            await ledger.view("resp_1", "default")
        with pytest.raises(Transient):
            await ledger.open(new_run())
        monkeypatch.setattr(connecting, "PATIENCE_S", 60)
        more_patience(pool, database_url)
        assert await ledger.view("resp_1", "default") is None
        await ledger.open(new_run())
        assert await pool.fetchval("select pg_backend_pid()") not in stopped
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        hot.terminate()
        pool.terminate()


async def test_one_connection_that_hangs_is_reason_to_make_the_idle_ones_anew(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(database_url)
    pool = await connecting.connect(database_url, most=2, patience_s=0.5)
    async with pool.acquire() as one, pool.acquire() as other:
        stopped = [await it.fetchval("select pg_backend_pid()") for it in (one, other)]
    ledger = PostgresLedger(pool)
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Transient):
            await ledger.view("resp_1", "default")
        more_patience(pool, database_url)
        assert await ledger.view("resp_1", "default") is None, "the second connection was not asked"
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        pool.terminate()


def more_patience(pool: connecting.Pool, database_url: str) -> None:
    """For connections that are opened from now on: however slow this machine is, they answer."""
    pool.set_connect_args(database_url, command_timeout=60, timeout=60)
