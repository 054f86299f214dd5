"""Texts that all workers share, in a real Redis."""

from __future__ import annotations

from agent.adapters.embedded import Engines
from agent.adapters.streams.client import connect
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.notes import RedisNotes


async def test_a_note_is_read_by_others_and_is_gone_after_its_time(engines: Engines, redis_prefix: str) -> None:
    client = connect(engines.urls.redis_url)
    try:
        one, other = (RedisNotes(client, Keys(redis_prefix)) for _ in range(2))
        assert await other.read("a place\n") is None
        await one.write("a place\n", "wörds", 60.0)
        assert await other.read("a place\n") == "wörds"
        left = await client.pttl(Keys(redis_prefix).note("a place\n"))
        assert 0 < left <= 60_000
    finally:
        await client.aclose()
