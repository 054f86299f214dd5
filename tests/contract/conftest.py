"""Every promise is tried on the in-memory twin and on the real thing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest

from agent.adapters.embedded import Engines
from tests.contract.backends import (
    Counting,
    MemoryCounting,
    MemoryPacing,
    MemoryStore,
    MemoryTransport,
    PacingUnderTest,
    Store,
    Transport,
)
from tests.contract.real import RealCounting, RealPacing, RealStore, RealTransport, migrated_template
from tests.engines import fresh_database


@pytest.fixture
def memory_store() -> Store:
    return MemoryStore()


@pytest.fixture
async def real_store(engines: Engines) -> AsyncIterator[Store]:
    template = await migrated_template(engines.urls)
    async with fresh_database(engines.urls, template=template) as url, RealStore.connected(url) as store:
        yield store


@pytest.fixture
def memory_counting() -> Counting:
    return MemoryCounting()


@pytest.fixture
async def real_counting(engines: Engines, redis_prefix: str) -> AsyncIterator[Counting]:
    async with RealCounting.connected(engines.urls.redis_url, redis_prefix) as counting:
        yield counting


@pytest.fixture(params=["memory", "real"])
def counting(request: pytest.FixtureRequest) -> Counting:
    return cast(Counting, request.getfixturevalue(f"{request.param}_counting"))


@pytest.fixture
def memory_pacing() -> PacingUnderTest:
    return MemoryPacing()


@pytest.fixture
async def real_pacing(engines: Engines, redis_prefix: str) -> AsyncIterator[PacingUnderTest]:
    async with RealPacing.connected(engines.urls.redis_url, redis_prefix) as pacing:
        yield pacing


@pytest.fixture(params=["memory", "real"])
def pacing(request: pytest.FixtureRequest) -> PacingUnderTest:
    return cast(PacingUnderTest, request.getfixturevalue(f"{request.param}_pacing"))


@pytest.fixture
def memory_transport() -> Transport:
    return MemoryTransport()


@pytest.fixture
async def real_transport(engines: Engines, redis_prefix: str) -> AsyncIterator[Transport]:
    async with RealTransport.connected(engines.urls.redis_url, redis_prefix) as transport:
        yield transport


@pytest.fixture(params=["memory", "real"])
def store(request: pytest.FixtureRequest) -> Store:
    return cast(Store, request.getfixturevalue(f"{request.param}_store"))


@pytest.fixture(params=["memory", "real"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return cast(Transport, request.getfixturevalue(f"{request.param}_transport"))
