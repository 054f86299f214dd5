"""A stage per test, on the engines of the test process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.adapters.embedded import Engines
from agent.testing.fake_model import running
from tests.contract.real import RealStore, migrated_template
from tests.crash.stage import SCRIPT, Stage
from tests.engines import fresh_database


@pytest.fixture
async def stage(engines: Engines, tmp_path: Path) -> AsyncIterator[Stage]:
    """A library with one document, and no worker yet."""
    template = await migrated_template(engines.urls)
    async with (
        fresh_database(engines.urls, template=template) as url,
        RealStore.connected(url) as store,
        running(SCRIPT) as model,
    ):
        stage = Stage.of(store, (url, engines.urls.redis_url), model, tmp_path)
        await stage.ingest(tmp_path)
        try:
            yield stage
        finally:
            stage.strike()
