"""A house for the tests of the whole chain, and a desk for those of commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from agent.adapters.embedded import Engines
from tests.e2e.desk import Desk, desk_at
from tests.e2e.house import House, Open, opened


@pytest.fixture
def house(engines: Engines, redis_prefix: str) -> Open:
    """Opens a house whose model follows the given lines; keywords are settings."""

    def open_house(*lines: Any, **changes: Any) -> AbstractAsyncContextManager[House]:
        return opened(engines.urls, redis_prefix, list(lines), **changes)

    return open_house


@pytest.fixture
async def desk(engines: Engines, redis_prefix: str, data_dir: Path) -> AsyncIterator[Desk]:
    """An operator's desk over a ledger of its own."""
    async with desk_at(engines.urls, redis_prefix, data_dir) as desk:
        yield desk
