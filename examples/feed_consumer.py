"""Reads the feed with a consumer group of its own, and counts how the runs of each agent ended.

python examples/feed_consumer.py --data-dir .cuelight [--catch-up]

The promises of the feed that this relies on stand in docs/feed.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import ResponseError

ENDINGS = {"answer.accepted", "run.failed", "run.cancelled"}
LOST = ("NOGROUP", "UNBLOCKED")
"""What Redis says when our group, or the stream it was on, is not there any more."""
REMEMBERED = 100_000

CATCH_UP = """
select e.tx::text as tx, e.run_id, e.generation, e.seq, e.type, e.agent, r.status
from events e join runs r on r.id = e.run_id
where e.tx >= $1::text::xid8 and e.tx < pg_snapshot_xmin(pg_current_snapshot())
  and (e.tx, e.run_id, e.generation, e.seq) > ($1::text::xid8, $2::text, $3::int, $4::int)
order by e.tx, e.run_id, e.generation, e.seq
limit 500
"""


class Tally:
    """Counts each ending once, however often it is told."""

    def __init__(self) -> None:
        self.endings: Counter[str] = Counter()
        self._seen: dict[str, None] = {}

    def take(self, fact: Mapping[str, str]) -> None:
        """A consumer with a database of its own would keep the id there, in one transaction with what it does."""
        if fact["id"] in self._seen:
            return
        self._seen[fact["id"]] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        if fact["type"] in ENDINGS:
            agent = fact["agent"].partition("@")[0]
            self.endings[f"{agent} {fact['status']}"] += 1
            print(json.dumps({"run": fact["run"], "type": fact["type"], "endings": self.endings}), flush=True)


async def ledger(database_url: str) -> AsyncIterator[Mapping[str, str]]:
    """Every event that the ledger has, whatever became of the feed."""
    connection = await asyncpg.connect(database_url)
    try:
        cursor = ("0", "", 0, 0)
        while rows := await connection.fetch(CATCH_UP, *cursor):
            for row in rows:
                cursor = (row["tx"], row["run_id"], row["generation"], row["seq"])
                key = f"{row['run_id']}/{row['generation']}/{row['seq']}"
                told = {"id": key, "run": row["run_id"], "type": row["type"], "agent": row["agent"]}
                yield {**told, "status": status(row["type"], row["status"])}
    finally:
        await connection.close()


def status(type: str, of_the_run: str) -> str:
    """The status that an ending gave its run, which may have been replayed after a failure and say another one now."""
    return {"run.failed": "failed", "run.cancelled": "cancelled"}.get(type, of_the_run)


async def join(client: Redis, feed: str, group: str) -> None:
    """From the beginning of the stream, so that nothing is missed between the first event and the first reading."""
    try:
        await client.xgroup_create(feed, group, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


async def follow(client: Redis, feed: str, group: str, name: str, tally: Tally) -> None:
    """First what was delivered to us before and never acknowledged, then what is new."""
    since = "0"
    while True:
        found: Any = await client.xreadgroup(group, name, {feed: since}, count=100, block=1000)
        batch: list[tuple[str, dict[str, str]]] = found[0][1] if found else []
        for entry, fact in batch:
            if fact:  # an entry that was trimmed meanwhile comes back empty; the ledger still has its event
                tally.take(fact)
            await client.xack(feed, group, entry)
        if since == "0" and not batch:
            since = ">"


async def main() -> None:
    options = arguments()
    urls = json.loads((options.data_dir / "engines.json").read_text()) if options.data_dir else {}
    tally = Tally()
    async with Redis.from_url(options.redis_url or urls["redis_url"], decode_responses=True, protocol=2) as client:
        feed, catch_up = f"{options.prefix}:events", options.catch_up
        while True:
            await join(client, feed, options.group)
            if catch_up:
                async for fact in ledger(options.database_url or urls["database_url"]):
                    tally.take(fact)
            try:
                await follow(client, feed, options.group, options.name, tally)
            except ResponseError as error:
                if not any(word in str(error) for word in LOST):
                    raise
            catch_up = True  # Redis lost the feed, and the ledger has what stood there


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help="where `cuelight up` keeps its engines")
    parser.add_argument("--redis-url")
    parser.add_argument("--database-url")
    parser.add_argument("--prefix", default="cuelight")
    parser.add_argument("--group", default="tally")
    parser.add_argument("--name", default="tally-1", help="this process' name in the group")
    parser.add_argument("--catch-up", action="store_true", help="read the ledger first")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
