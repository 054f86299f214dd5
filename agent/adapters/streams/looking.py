"""Looking into the streams without a trace: nothing here reads as a consumer, claims, acknowledges or deletes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from agent.adapters.streams.client import AWAY, BLOCK_MS, away, connect
from agent.adapters.streams.keys import Keys
from agent.inspection import ConsumerLook, Entry, RouteLook

MOST_COUNTED = 10_000
PAGE = 100
COUNT_AFTER = """
local last, count = ARGV[1], 0
while count < tonumber(ARGV[2]) do
  local page = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 100)
  if #page == 0 then break end
  count, last = count + #page, page[#page][1]
end
return count
"""
"""How many entries come after one: the server's own count is NULL after some deletions (XINFO GROUPS)."""


def looking_client(url: str) -> Redis:
    """A client that gives entries as they are: the usual one folds fields of the same name into one."""
    client = connect(url)
    for command in ("XRANGE", "XREVRANGE", "XREAD"):
        client.set_response_callback(command, _as_it_came)
    return client


def _as_it_came(response: Any, **kwargs: Any) -> Any:
    return response


class StreamLook:
    """What stands in the streams, by a `looking_client`. Every method raises `Transient` if the server is away."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def now_s(self) -> float:
        """The server's clock, Unix seconds."""
        with _reached():
            seconds, micros = await self._client.time()
        return float(seconds) + float(micros) / 1e6

    async def routes(self) -> Sequence[str]:
        """Every route that has a work stream, also one that no agent has any more."""
        before, after = self._keys.work("\0").split("\0")
        pattern = f"{_literal(before)}*{_literal(after)}"
        with _reached():
            found = [key async for key in self._client.scan_iter(match=pattern, count=1_000, _type="stream")]
        return sorted({key[len(before) : len(key) - len(after)] for key in found})

    async def route(self, name: str) -> RouteLook:
        """A route's stream, its group and who reads it."""
        key, look = self._keys.work(name), RouteLook(name)
        with _reached():
            if not await self._client.exists(key):
                return look
            first: Any = await self._client.xrange(key, count=1)
            oldest_s = await self._age_s(first[0][0]) if first else None
            look = replace(look, exists=True, length=await self._client.xlen(key), oldest_s=oldest_s)
            groups = [it for it in await self._client.xinfo_groups(key) if it["name"] == self._keys.group(name)]
            if not groups:
                return replace(look, lag=look.length)
            return await self._group(key, look, groups[0])

    async def _group(self, key: str, look: RouteLook, group: Mapping[str, Any]) -> RouteLook:
        lag = group.get("lag")
        exact = lag is not None
        if lag is None:
            lag = await self._count_after(key, group["last-delivered-id"])
            exact = lag < MOST_COUNTED
        rows = await self._client.xinfo_consumers(key, self._keys.group(look.route))
        consumers = sorted(map(_consumer, rows), key=lambda it: it.name)
        return replace(look, grouped=True, pending=group["pending"], lag=lag, lag_exact=exact, consumers=consumers)

    async def _count_after(self, key: str, id: str) -> int:
        return int(await self._client.eval_ro(COUNT_AFTER, 1, key, id, str(MOST_COUNTED)))

    async def peek(
        self, route: str, count: int, after: str | None = None, *, newest: bool = False
    ) -> Sequence[Entry] | None:
        """At most `count` entries of a route, the oldest first, with who holds them; None without such a stream."""
        key = self._keys.work(route)
        start = "-" if after is None else f"({after}"
        with _reached():
            if not await self._client.exists(key):
                return None
            found: Any
            if newest:
                found = await self._client.xrevrange(key, "+", start, count=count)
                found.reverse()
            else:
                found = await self._client.xrange(key, start, "+", count=count)
            now_ms = await self.now_s() * 1000
            holders = await self._holders(key, self._keys.group(route), [id for id, _ in found])
        return [_entry(id, fields, now_ms, holders) for id, fields in found]

    async def _holders(self, key: str, group: str, ids: Sequence[str]) -> Mapping[str, tuple[str, int]]:
        """Consumer and delivery count of those of `ids` that are pending."""
        if not ids:
            return {}
        try:
            rows: Any = await self._client.xpending_range(key, group, ids[0], ids[-1], 10_000)
        except ResponseError:  # no group: nobody holds anything
            return {}
        return {row["message_id"]: (row["consumer"], row["times_delivered"]) for row in rows}

    async def tail(self, route: str, after: str | None = None) -> AsyncGenerator[Entry, None]:
        """The entries of a route as they come, from now on or after an entry. Ends never."""
        async for entry in self._follow(self._keys.work(route), after):
            yield entry

    async def feed(self, after: str | None = None) -> AsyncGenerator[Entry, None]:
        """The entries of the feed as they come, from now on or after an entry. Ends never."""
        async for entry in self._follow(self._keys.feed, after):
            yield entry

    async def feed_since(self, seconds: float) -> str:
        """The place in the feed so many seconds ago, by the server's clock: `feed` goes on after it."""
        return f"{max(int((await self.now_s() - seconds) * 1000), 0)}-0"

    async def _follow(self, key: str, after: str | None) -> AsyncGenerator[Entry, None]:
        last = after if after is not None else await self._end(key)
        while True:
            with _reached():
                found: Any = await self._client.xread({key: last}, count=PAGE, block=BLOCK_MS)
            now_ms = time.time() * 1000
            for id, fields in _of_one(found):
                yield _entry(id, fields, now_ms, {})
                last = id

    async def _end(self, key: str) -> str:
        """The newest entry's id: `$` would be another one at each read, and what comes between would pass unseen."""
        with _reached():
            if not await self._client.exists(key):
                return "0-0"
            return str((await self._client.xinfo_stream(key))["last-generated-id"])

    async def _age_s(self, id: str) -> float:
        return max(await self.now_s() - _ms(id) / 1000, 0.0)


@contextmanager
def _reached() -> Iterator[None]:
    """Turns the server's absence into `Transient`."""
    try:
        yield
    except AWAY as error:
        raise away(error) from error


def _literal(text: str) -> str:
    """Text that a SCAN pattern takes as it is."""
    return "".join(f"\\{character}" if character in "*?[]\\^" else character for character in text)


def _consumer(row: Mapping[str, Any]) -> ConsumerLook:
    inactive = row.get("inactive")  # 7.2 and newer
    return ConsumerLook(
        row["name"], row["pending"], row["idle"] / 1000, None if inactive is None or inactive < 0 else inactive / 1000
    )


def _entry(id: str, fields: Sequence[str], now_ms: float, holders: Mapping[str, tuple[str, int]]) -> Entry:
    consumer, deliveries = holders.get(id, (None, 0))
    pairs = tuple(zip(fields[::2], fields[1::2], strict=True))
    return Entry(id, pairs, max(now_ms - _ms(id), 0.0) / 1000, consumer, deliveries)


def _ms(id: str) -> int:
    return int(id.split("-")[0])


def _of_one(found: Any) -> Sequence[tuple[str, Sequence[str]]]:
    """The entries of the one stream that was read, in either protocol's shape."""
    if not found:
        return []
    entries: Sequence[tuple[str, Sequence[str]]] = (
        next(iter(found.values())) if isinstance(found, dict) else found[0][1]
    )
    return entries
