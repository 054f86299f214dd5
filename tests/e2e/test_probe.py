"""Servers from the settings are looked at before they are trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agent.adapters.embedded import Engines
from agent.adapters.probe import RedisFacts, probe_database, probe_redis
from agent.errors import Misconfigured
from tests.engines import temporary_directory


@pytest.fixture(scope="module")
def scratch() -> Iterator[str]:
    """A Redis whose settings a test may spoil."""
    with temporary_directory() as path, Engines(path, database_url="postgresql://elsewhere") as engines:
        yield engines.urls.redis_url


async def test_a_database_that_will_do_says_its_version(engines: Engines) -> None:
    assert (await probe_database(engines.urls.database_url)).startswith("18.")


async def test_a_redis_that_will_do_says_what_it_is(engines: Engines) -> None:
    facts = await probe_redis(engines.urls.redis_url)
    assert facts == RedisFacts(facts.version, "valkey", facts.run_id, "noeviction")
    assert facts.version.startswith("9.")
    assert len(facts.run_id) == 40


async def test_a_redis_that_may_evict_is_refused(scratch: str) -> None:
    async with Redis.from_url(scratch) as client:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(Misconfigured, match=r"allkeys-lru: .*silently deletes queued work; set .* noeviction"):
            await probe_redis(scratch)
        await client.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize("policy", ["noeviction", "volatile-ttl"])
async def test_where_config_is_forbidden_the_policy_is_read_from_info(scratch: str, policy: str) -> None:
    async with Redis.from_url(scratch) as client:
        await client.config_set("maxmemory-policy", policy)
        await client.acl_setuser(
            "guest", enabled=True, passwords=["+word"], keys=["*"], categories=["+@all"], commands=["-config"]
        )
    guest = scratch.replace("unix://", "unix://guest:word@")
    if policy == "noeviction":
        assert (await probe_redis(guest)).maxmemory_policy == "noeviction"
    else:
        with pytest.raises(Misconfigured, match="volatile-ttl"):
            await probe_redis(guest)


async def test_a_server_that_is_not_there_is_named_without_its_password(data_dir: Path) -> None:
    for url in (f"postgresql://u:secret@/d?host={data_dir}", "postgresql://u:secret@127.0.0.1:1/d"):
        with pytest.raises(
            Misconfigured, match=r"the database at .* cannot be reached .*CUELIGHT_DATABASE_URL"
        ) as raised:
            await probe_database(url)
        assert "secret" not in str(raised.value)
    for url in (f"unix://u:secret@{data_dir}/none.sock", "redis://u:secret@127.0.0.1:1/0"):
        with pytest.raises(Misconfigured, match=r"the Redis at .* cannot be reached .*CUELIGHT_REDIS_URL") as raised:
            await probe_redis(url)
        assert "secret" not in str(raised.value)


async def test_a_wrong_password_is_refused_without_showing_it(scratch: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be reached") as raised:
        await probe_redis(scratch.replace("unix://", "unix://guest:hunter2@"))
    assert "hunter2" not in str(raised.value)


async def test_a_database_that_is_not_there_is_named(engines: Engines) -> None:
    with pytest.raises(Misconfigured, match='database "nowhere" does not exist'):
        await probe_database(engines.urls.database_url.replace("/cuelight?", "/nowhere?"))


@pytest.mark.parametrize(
    "url", ["postgresql://u:se/cret@host/d", "postgresql://u:se/cr@et@host/d", "cret://", "\ncret"]
)
async def test_a_malformed_url_is_refused_without_showing_any_of_it(url: str) -> None:
    for probe in (probe_database, probe_redis):
        with pytest.raises(Misconfigured) as raised:
            await probe(url)
        assert "cret" not in str(raised.value)
