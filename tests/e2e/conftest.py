"""A house for the tests of the whole chain."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from agent.adapters.embedded import Engines
from tests.e2e.house import House, Open, opened


@pytest.fixture
def house(engines: Engines, redis_prefix: str) -> Open:
    """Opens a house whose model follows the given lines; keywords are settings."""

    def open_house(*lines: Any, **changes: Any) -> AbstractAsyncContextManager[House]:
        return opened(engines.urls, redis_prefix, list(lines), **changes)

    return open_house
