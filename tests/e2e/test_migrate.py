"""Versioned migrations: applied once, whole, in order; a ledger that does not fit refuses the start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from agent.adapters.ledger.migrate import MIGRATIONS, known, migrate, require_current
from agent.errors import Misconfigured


async def test_migrating_twice_applies_everything_once(database_url: str) -> None:
    assert await migrate(database_url) == [path.stem for path in known().values()]
    assert await migrate(database_url) == []
    await require_current(database_url)


async def test_two_processes_that_migrate_at_once_take_turns(database_url: str) -> None:
    done = await asyncio.gather(migrate(database_url), migrate(database_url))
    assert sorted(done[0] + done[1]) == [path.stem for path in known().values()]


async def test_a_ledger_that_was_not_migrated_refuses_the_start_and_says_what_to_do(database_url: str) -> None:
    with pytest.raises(Misconfigured, match="cuelight migrate"):
        await require_current(database_url)


async def test_a_ledger_of_a_newer_release_is_refused(database_url: str) -> None:
    await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute("insert into migrations (number, name) values (9999, 'tomorrow')")
    await connection.close()
    for refuse in (migrate, require_current):
        with pytest.raises(Misconfigured, match="newer release"):
            await refuse(database_url)


async def test_a_migration_that_fails_leaves_nothing_of_itself(database_url: str, tmp_path: Path) -> None:
    for path in known(MIGRATIONS).values():
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "0099_broken.sql").write_text("create table half (id int); select 1 / 0;")
    with pytest.raises(Misconfigured, match="0099_broken failed and was undone"):
        await migrate(database_url, tmp_path)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("select to_regclass('half')") is None
    await connection.close()


async def test_a_database_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="PostgreSQL cannot be reached"):
        await migrate(f"postgresql://nobody@/nothing?host={tmp_path}")
