"""Jobs in PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from agent.adapters.ledger.connect import Connection, Pool, transaction
from agent.adapters.ledger.errors import reached
from agent.adapters.ledger.letters import discard_in, replay_in
from agent.adapters.ledger.queries import sql
from agent.adapters.ledger.rows import audit_id
from agent.envelope import scrub
from agent.jobs import Hold, Job, Kind, Settled, State, added, counted
from agent.letters import SettledAs


class PostgresJobs:
    """See `agent.jobs.Jobs`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ask(self, kind: Kind, arguments: str, by: str, total: int | None, /) -> tuple[Job, bool]:
        with reached():
            async with transaction(self._pool) as connection:
                await connection.execute(sql("job_lock_kind"), kind)
                new = (_id(), kind, arguments, scrub(by), total, audit_id())
                row = await connection.fetchrow(sql("job_ask"), *new)
                if row is not None:
                    return _job(row), True
                return _job(await connection.fetchrow(sql("job_same"), kind, arguments)), False

    async def ask_again(self, kind: Kind, arguments: str, by: str, every_s: float, /) -> Job | None:
        with reached():
            async with transaction(self._pool) as connection:
                await connection.execute(sql("job_lock_kind"), kind)
                row = await connection.fetchrow(sql("job_again"), _id(), kind, arguments, scrub(by), every_s)
        return None if row is None else _job(row)

    async def job(self, id: str, /) -> Job | None:
        return await self._one("job", scrub(id))

    async def jobs(self, most: int, /, *, open_only: bool = False) -> Sequence[Job]:
        with reached():
            return [_job(row) for row in await self._pool.fetch(sql("jobs"), open_only, most)]

    async def cancel(self, id: str, by: str, /) -> Job | None:
        with reached():
            await self._pool.execute(sql("job_cancel"), scrub(id), scrub(by), audit_id())
        return await self.job(id)

    async def lost(self, lease_s: float, /) -> Sequence[str]:
        with reached():
            return [row["id"] for row in await self._pool.fetch(sql("job_lost"), lease_s)]

    async def take(self, hold: Hold, lease_s: float, /) -> Job | None:
        return await self._one("job_take", hold.job, hold.holder, lease_s)

    async def see(self, hold: Hold, /) -> Job | None:
        return await self._one("job_see", hold.job, hold.holder)

    async def note(self, hold: Hold, done: int, counts: Mapping[str, int], place: str, /) -> Job | None:
        with reached():
            async with transaction(self._pool) as connection:
                job = await _lock(connection, hold)
                return None if job is None else await _note(connection, job, done, counts, place)

    async def settle(self, hold: Hold, how: SettledAs, letters: Sequence[str], place: str, /) -> Settled | None:
        act = replay_in if how == "replayed" else discard_in
        with reached():
            async with transaction(self._pool) as connection:
                job = await _lock(connection, hold)
                if job is None:
                    return None
                verdicts = await act(connection, letters, f"{job.asked_by} ({job.id})")
                job = await _note(connection, job, len(verdicts), counted(verdicts, how), place)
        return Settled(job, verdicts)

    async def end(self, hold: Hold, state: State, error: str = "", /) -> bool:
        with reached():
            async with transaction(self._pool) as connection:
                job = await _lock(connection, hold)
                if job is None:
                    return False
                result = added({**job.counts, "error": scrub(error)}, {}) if error else None
                await connection.execute(sql("job_end"), hold.job, hold.holder, state, result)
        return True

    async def hand_back(self, hold: Hold, /) -> bool:
        with reached():
            return await self._pool.fetchrow(sql("job_hand_back"), hold.job, hold.holder) is not None

    async def _one(self, name: str, *values: Any) -> Job | None:
        with reached():
            row = await self._pool.fetchrow(sql(name), *values)
        return None if row is None else _job(row)


async def _lock(connection: Connection, hold: Hold) -> Job | None:
    row = await connection.fetchrow(sql("job_lock"), hold.job, hold.holder)
    return None if row is None else _job(row)


async def _note(connection: Connection, job: Job, done: int, counts: Mapping[str, int], place: str) -> Job:
    return _job(await connection.fetchrow(sql("job_note"), job.id, done, added(job.counts, counts), place))


def _job(row: Any) -> Job:
    return Job(**row)


def _id() -> str:
    return f"job_{os.urandom(8).hex()}"
