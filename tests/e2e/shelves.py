"""A library in a real PostgreSQL, for the tests of what is on its shelves and of the search in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent.adapters.embedded import EngineUrls
from agent.adapters.ledger.connect import Pool, connect
from tests.contract.real import migrated_template
from tests.engines import fresh_database


@asynccontextmanager
async def migrated_pool(urls: EngineUrls) -> AsyncIterator[Pool]:
    """Connections to a migrated, empty database."""
    async with fresh_database(urls, template=await migrated_template(urls)) as url:
        pool = await connect(url)
        try:
            yield pool
        finally:
            await pool.close()


def write(folder: Path, **files: str) -> Path:
    """The folder with one Markdown file for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def move(folder: Path, to: Path) -> None:
    folder.rename(to)
