"""Versioned migrations: plain SQL files, applied in order, each in a transaction of its own."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from agent.adapters.ledger.errors import AWAY
from agent.errors import Absent, Misconfigured

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_205_759_403_792_794  # any constant: two processes that migrate at once take turns


def known(folder: Path = MIGRATIONS) -> dict[int, Path]:
    """This release's migrations by number."""
    return {int(path.name[:4]): path for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))}


async def migrate(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Bring the ledger to this release's version; the names of what was applied.

    Raises `Misconfigured` if one fails (nothing of it is kept) or if the ledger is newer than this release.
    """
    connection = await _connect(url)
    try:
        applied = await _applied(connection)
        _refuse_newer(applied, folder)
        done = []
        for number, path in known(folder).items():
            if number not in applied and await _apply(connection, number, path):
                done.append(path.stem)
        return done
    finally:
        await connection.close()


async def require_current(url: str, folder: Path = MIGRATIONS) -> None:
    """Raises `Misconfigured` unless the ledger is at this release's version."""
    connection = await _connect(url)
    try:
        applied = await _applied(connection)
    finally:
        await connection.close()
    _refuse_newer(applied, folder)
    missing = [path.stem for number, path in known(folder).items() if number not in applied]
    if missing:
        raise Misconfigured(f"the ledger lacks migration {missing[0]}: run `cuelight migrate` first")


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=10)
    except AWAY as error:
        raise Absent(f"PostgreSQL cannot be reached: {type(error).__name__}: {error}") from error


async def _applied(connection: asyncpg.Connection) -> set[int]:
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(
            "create table if not exists migrations "
            "(number int primary key, name text not null, applied_at timestamptz not null default now())"
        )
    return {row["number"] for row in await connection.fetch("select number from migrations")}


def _refuse_newer(applied: set[int], folder: Path) -> None:
    newest = max(known(folder), default=0)
    if applied and max(applied) > newest:
        raise Misconfigured(
            f"the ledger was migrated to version {max(applied)} by a newer release; this one knows {newest}: "
            "run the newer release, or restore the backup that was made before"
        )


async def _apply(connection: asyncpg.Connection, number: int, path: Path) -> bool:
    """Whether it was applied here; False if another process was first."""
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
            if await connection.fetchval("select true from migrations where number = $1", number):
                return False
            await connection.execute(path.read_text())  # noqa: ASYNC240  # once, at start
            await connection.execute("insert into migrations (number, name) values ($1, $2)", number, path.stem)
            return True
    except asyncpg.PostgresError as error:
        raise Misconfigured(f"migration {path.stem} failed and was undone: {error}") from error
