"""The real engines for tests: one pair per test process, an empty database and a Redis prefix of its own per test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from agent.adapters.embedded import Engines, EngineUrls

MEMORY = Path("/dev/shm")  # only where it is large


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """One pair for the whole test process; what a test breaks of it, it must mend."""
    with temporary_directory() as path, Engines(path) as engines:
        yield engines


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty directory for engines of a test's own."""
    with temporary_directory() as path:
        yield path


@pytest.fixture
async def database_url(engines: Engines) -> AsyncIterator[str]:
    """An empty database for this test alone."""
    async with fresh_database(engines.urls) as url:
        yield url


@pytest.fixture
async def redis_url(engines: Engines) -> str:
    """The test process' Redis, emptied."""
    async with Redis.from_url(engines.urls.redis_url) as client:
        await client.flushall()
    return engines.urls.redis_url


@pytest.fixture
def redis_prefix() -> str:
    """A prefix for keys that no other test has."""
    return f"t{uuid4().hex[:12]}"


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Not pytest's: that one closes its directories to the user that PostgreSQL runs as, and their paths are long."""
    # An engine whose owner was killed may still be writing its last file while the directory goes.
    with tempfile.TemporaryDirectory(prefix="cuelight-test-", dir=_memory(), ignore_cleanup_errors=True) as path:
        yield Path(path)


def _memory() -> Path | None:
    """A file system in memory, where there is a large one: engines sync all the time, and a third of the tests' time
    went into that. What a killed process has written is there as well; losing power is not what tests imitate."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4_000_000_000
    return MEMORY if roomy else None


@asynccontextmanager
async def fresh_database(urls: EngineUrls, *, template: str = "template1") -> AsyncIterator[str]:
    """The URL of a new database, a copy of `template`; gone afterwards, whoever is still connected to it."""
    name = f"t_{uuid4().hex[:12]}"
    await administer(urls, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield urlunsplit(urlsplit(urls.database_url)._replace(path=f"/{name}"))
    finally:
        await administer(urls, f'DROP DATABASE "{name}" WITH (FORCE)')


async def administer(urls: EngineUrls, *statements: str) -> None:
    """Run statements that belong to no database."""
    connection = await asyncpg.connect(urls.database_url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
