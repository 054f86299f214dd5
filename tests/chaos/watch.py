"""What is looked at from outside while the service works: the feed, the size of things, and the ledger's tables."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
from redis.exceptions import RedisError

from tests.chaos.stage import PREFIX, ROUTES, Stage

FEED = f"{PREFIX}:events"

TABLES = {
    "runs": r"""select id, status, store, generation, agent, ending_type, md5(ending) as ending_hash, calls, attempts,
        extract(epoch from created_at)::float8 as created, extract(epoch from deadline)::float8 as deadline,
        extract(epoch from ended_at)::float8 as ended, substring(request from 'ask-\d+-\d+-end') as marker,
        substring(ending from '"code":\s*"([a-z_]+)"') as code, cancelled_by, purged_at is not null as purged
        from runs""",
    "events": """select run_id as run, generation, seq, type, version, md5(data) as hash,
        extract(epoch from at)::float8 as at from events""",
    "work": "select run_id as run, generation, seq, route, attempt, deliveries from work",
    "attempts": """select token, run_id as run, generation, seq, route, attempt, delivery, worker, outcome, settled,
        error_kind, extract(epoch from began_at)::float8 as began, extract(epoch from ended_at)::float8 as ended
        from attempts""",
    "calls": """select id, token, run_id as run, generation, seq, effect_type as effect, effect_hash as hash,
        occurrence, status, error_kind, input_tokens, output_tokens, extract(epoch from asked_at)::float8 as asked,
        extract(epoch from ended_at)::float8 as ended from calls where effect_type = 'call_model'""",
    "letters": """select id, run_id as run, generation, seq, route, attempt, kind, reason,
        body || coalesce(encode(raw, 'escape'), '') as text,
        extract(epoch from created_at)::float8 as at from dead_letters""",
}
"""Our own questions to the tables, and not the service's."""

CATCH_UP = """select e.tx::text as tx, e.run_id, e.generation, e.seq from events e
    where e.tx >= $1::text::xid8 and e.tx < pg_snapshot_xmin(pg_current_snapshot())
      and (e.tx, e.run_id, e.generation, e.seq) > ($1::text::xid8, $2::text, $3::int, $4::int)
    order by e.tx, e.run_id, e.generation, e.seq limit 500"""
"""How docs/feed.md has a consumer catch up after a loss."""


async def read_feed(stage: Stage) -> None:
    """Read the feed as a stranger would, from its beginning, until cancelled. It survives whatever Redis does."""
    last = b"0"
    while True:
        try:
            async with stage.redis.client() as client:
                while True:
                    found: Any = await client.xread({FEED: last}, count=1_000, block=500)
                    for _, entries in found or ():
                        for last, fields in entries:
                            told = {k.decode("latin-1"): v.decode("utf-8", "replace") for k, v in fields.items()}
                            stage.notes.note("feed", entry=last.decode(), seen=time.time(), fields=told)
        except (RedisError, OSError):
            await asyncio.sleep(0.1)


async def measure(stage: Stage, when: str) -> None:
    """How large everything in Redis is."""
    async with stage.redis.client() as client:
        memory = await client.info("memory")
        keys = [key.decode() async for key in client.scan_iter(match=f"{PREFIX}:*", count=1_000)]
        keys = [key for key in keys if await client.ttl(key) < 0]  # those with an end are on their way out
        sizes: dict[str, Any] = {name: await _stream(client, f"{PREFIX}:work:{{{name}}}", name) for name in ROUTES}
        feed = await client.memory_usage(FEED, samples=0) or 0
    stage.notes.note(
        "sizes",
        when=when,
        at=time.time(),
        used_bytes=memory["used_memory"],
        feed_bytes=feed,
        streams=sizes,
        keys=sorted(keys)[:200],
        key_count=len(keys),
    )


async def _stream(client: Any, key: str, group: str) -> dict[str, int]:
    if not await client.exists(key):
        return {"length": 0, "pending": 0}
    try:
        pending = (await client.xpending(key, group))["pending"]
    except RedisError:  # the group is not there
        pending = 0
    return {"length": await client.xlen(key), "pending": pending}


async def open_work(stage: Stage) -> int:
    """How many runs are open; raises what asyncpg raises."""
    connection = await asyncpg.connect(stage.ledger.url)
    try:
        return int(await connection.fetchval("select count(*) from work"))
    finally:
        await connection.close()


async def copy_tables(stage: Stage) -> None:
    """Write the tables down, without the texts that the auditor has no need of."""
    connection = await asyncpg.connect(stage.ledger.url)
    try:
        for name, question in TABLES.items():
            async with connection.transaction():
                async for row in connection.cursor(question):
                    stage.notes.note(name, **dict(row))
        await _catch_up(stage, connection)
    finally:
        await connection.close()


async def _catch_up(stage: Stage, connection: Any) -> None:
    place: tuple[Any, ...] = ("0", "", 0, 0)
    while rows := await connection.fetch(CATCH_UP, *place):
        for row in rows:
            stage.notes.note("caught_up", id=f"{row['run_id']}/{row['generation']}/{row['seq']}")
        place = tuple(rows[-1].values())
