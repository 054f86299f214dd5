"""The doctor's facts of the streams: what stands in them, who holds it, and what the server says of itself."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from agent.adapters.streams import entries
from agent.adapters.streams.client import AWAY, away
from agent.adapters.streams.keys import Keys
from agent.adapters.streams.looking import StreamLook
from agent.adapters.streams.redis import RedisStreams
from agent.doctor.facts import Sample, StreamFacts, ahead_s
from agent.epoch import Seen
from agent.inspection import RouteLook
from agent.ports import Delivery, Pointer

EXAMPLES = 5
HELD = 1_000
"""At most so many pending entries of a route are looked at."""
FIELDS = (
    *("redis_version", "maxmemory", "maxmemory_policy", "used_memory", "evicted_keys", "aof_enabled"),
    *("aof_last_write_status", "rdb_last_bgsave_status", "role"),
)


class StreamCheckup:
    """Asks one server, by a `looking_client`."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._look = StreamLook(client, keys)

    async def facts(self, routes: Sequence[str], carried: Sequence[tuple[Pointer, str]]) -> StreamFacts:
        """What stands at `routes` and wherever else a stream is. `carried` is work that should have an entry.

        Raises `Transient`.
        """
        names = sorted({*routes, *await self._look.routes()})
        looks = [await self._look.route(name) for name in names]
        gone = await RedisStreams(self._client, self._keys, "doctor").missing(carried) if carried else ()
        lost = [pointer.run for (pointer, _), missing in zip(carried, gone, strict=True) if missing]
        try:
            owners = await self._owners(looks)
            return StreamFacts(
                routes=looks, lost=Sample(len(lost), tuple(lost[:EXAMPLES])), owners=owners, **await self._server()
            )
        except AWAY as error:
            raise away(error) from error

    async def _server(self) -> dict[str, Any]:
        info: Mapping[str, Any] = await self._client.info("everything")
        before = time.time()
        there = await self._look.now_s()
        after = time.time()
        flavour = str(info.get("server_name", "redis"))
        told = {name: str(info[name]) for name in FIELDS if name in info}
        return {
            "flavour": flavour,
            "version": str(info.get(f"{flavour}_version", info.get("redis_version", ""))),
            "redis_version": str(info.get("redis_version", "")),
            "clock_ahead_s": ahead_s(there, before, after),
            "info": {**told, **await self._configured()},
            "seen": await self._seen(str(info.get("run_id", ""))),
        }

    async def _seen(self, server: str) -> Seen:
        """What a relay would meet, without writing anything."""
        try:
            epoch, mark = await self._client.hmget(self._keys.epoch, ["epoch", "mark"])
        except ResponseError:  # something else has the name
            epoch = mark = None
        told = str(mark)
        return Seen(str(epoch or ""), int(told) if told.isdigit() else -1, server)

    async def _configured(self) -> Mapping[str, str]:
        """Managed servers forbid CONFIG; INFO says most of it."""
        try:
            found = await self._client.config_get("appendfsync")
        except ResponseError:
            return {}
        return {str(name): str(value) for name, value in found.items()}

    async def _owners(self, looks: Sequence[RouteLook]) -> Mapping[str, tuple[str, ...]]:
        """The consumers of each event that is pending under several of them."""
        held: dict[str, set[str]] = defaultdict(set)
        for look in looks:
            if sum(it.pending > 0 for it in look.consumers) < 2:
                continue
            for event, consumer in await self._held(look.route):
                held[event].add(consumer)
        return {event: tuple(sorted(names)) for event, names in held.items() if len(names) > 1}

    async def _held(self, route: str) -> list[tuple[str, str]]:
        """Event and consumer of what is pending at a route."""
        key = self._keys.work(route)
        rows: Any = await self._client.xpending_range(key, self._keys.group(route), "-", "+", HELD)
        async with self._client.pipeline(transaction=False) as pipeline:
            for row in rows:
                pipeline.xrange(key, row["message_id"], row["message_id"])
            found = await pipeline.execute()
        return [
            (f"{said.pointer.key} attempt {said.pointer.attempt}", row["consumer"])
            for row, answer in zip(rows, found, strict=True)
            for said in _pointers(route, answer)
        ]


def _pointers(route: str, found: Any) -> Sequence[Delivery]:
    """What entries say that are pointers of ours; others belong to nobody."""
    read = [
        entries.read(route, id, dict(zip(fields[::2], fields[1::2], strict=True)), "") for id, fields in found or ()
    ]
    return [it for it in read if isinstance(it, Delivery)]
