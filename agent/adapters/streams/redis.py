"""The streams on Redis: `Streams` for the workers, `Doorbell` for the door, and the readers of the routes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from agent.adapters.streams import entries, scripts
from agent.adapters.streams.client import AWAY, BLOCK_MS, SharedPipeline, away
from agent.adapters.streams.keys import Keys
from agent.epoch import Known, Seen
from agent.errors import Transient
from agent.fairness import UNSHARED, Share
from agent.ports import Delivery, Pointer, Unreadable

WAITERS_TTL_S = 3_600
REPLIES_KEPT = 10_000
NAMES_KEPT_MS = 3_600_000
"""A worker at work asks every second; one that could not for so long has its name back with its next question."""


class RedisStreams:
    """See `agent.ports.Streams` and `agent.ports.Doorbell`. `instance` names this process."""

    def __init__(self, client: Redis, keys: Keys, instance: str, lease_s: float = 3.0, share: Share = UNSHARED) -> None:
        self._share = share
        self._lease_ms = int(lease_s * 1000)
        self._client = client
        self._keys = keys
        self._instance = instance
        self._pipeline = SharedPipeline(client)
        self._heard = "0"

    async def publish(self, pointer: Pointer, /) -> str:
        entry: str = await self._pipeline.do(*self._publishing(pointer))
        return entry

    def _publishing(self, pointer: Pointer) -> tuple[Any, ...]:
        keys = (self._keys.work(pointer.route), self._keys.queued(pointer.route))
        whose = (self._keys.group(pointer.route), pointer.project, self._share.most(pointer))
        return ("EVAL", scripts.PUBLISH, 2, *keys, *whose, *entries.fields(pointer))

    async def take(self, delivery: Delivery, /) -> bool:
        pointer = delivery.pointer
        keys = (self._keys.work(pointer.route), self._keys.lease(pointer), self._keys.queued(pointer.route))
        whose = (self._keys.group(pointer.route), delivery.entry, delivery.worker, self._lease_ms)
        first = int(delivery.times == 1)
        return bool(await self._pipeline.do("EVAL", scripts.TAKE, 3, *keys, *whose, pointer.project, first))

    async def ack(self, delivery: Delivery | Unreadable, /) -> None:
        if isinstance(delivery, Delivery):
            await self._pipeline.do("EVAL", scripts.ACK, *self._held(delivery))
        else:
            key, group = self._keys.work(delivery.route), self._keys.group(delivery.route)
            await self._pipeline.do("EVAL", scripts.ACK, 1, key, group, delivery.entry, "")

    async def release(self, delivery: Delivery, /) -> None:
        await self._pipeline.do("EVAL", scripts.ACK, *self._held(delivery), self._lease_ms)

    def _held(self, delivery: Delivery) -> tuple[Any, ...]:
        """Keys and arguments of a script about one delivery."""
        pointer = delivery.pointer
        keys = (self._keys.work(pointer.route), self._keys.lease(pointer))
        return (2, *keys, self._keys.group(pointer.route), delivery.entry, delivery.worker)

    async def ended(self, run: str, /) -> None:
        key = self._keys.waiters(run)
        for instance in await self._pipeline.do("SMEMBERS", key):
            reply = self._keys.reply(instance)
            await asyncio.gather(
                self._pipeline.do("XADD", reply, "MAXLEN", "~", REPLIES_KEPT, "*", "run", run),
                self._pipeline.do("EXPIRE", reply, WAITERS_TTL_S),
            )

    async def register(self, run: str, /) -> None:
        await self._pipeline.do("EVAL", scripts.REGISTER, 1, self._keys.waiters(run), self._instance, WAITERS_TTL_S)

    async def rings(self) -> Sequence[str]:
        key = self._keys.reply(self._instance)
        try:
            found: Any = await self._client.xread({key: self._heard}, count=500, block=BLOCK_MS)
        except AWAY as error:
            raise away(error) from error
        told = _entries_of(found)
        if told:
            self._heard = told[-1][0]
        return [run for _, said in told if (run := said.get("run"))]

    async def ping(self) -> None:
        await self._pipeline.do("PING")

    async def missing(self, published: Sequence[tuple[Pointer, str]]) -> Sequence[bool]:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for pointer, entry in published:
                    pipeline.xrange(self._keys.work(pointer.route), entry, entry, count=1)
                    pipeline.get(self._keys.lease(pointer))
                found = await pipeline.execute()
            return [not there and not lease for there, lease in zip(found[::2], found[1::2], strict=True)]
        except AWAY as error:
            raise away(error) from error

    async def publish_all(self, pointers: Sequence[Pointer]) -> Sequence[str]:
        """As `publish`, many work rows in one go. Raises `Transient`."""
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for pointer in pointers:
                    pipeline.execute_command(*self._publishing(pointer))
                found: list[str] = await pipeline.execute()
                return found
        except AWAY as error:
            raise away(error) from error

    async def feed(self, facts: Sequence[Mapping[str, str]], oldest_ms: int) -> None:
        """Write events to the feed and let go of what is older than `oldest_ms` (Unix): all of it or nothing.

        A batch of which a part was refused would be written again, and its order would be broken. Raises `Transient`.
        """
        try:
            async with self._client.pipeline(transaction=True) as pipeline:
                for fact in facts:
                    pair = [part for item in fact.items() for part in item]
                    pipeline.execute_command("XADD", self._keys.feed, "MINID", "~", str(oldest_ms), "*", *pair)
                await pipeline.execute()
        except AWAY as error:
            raise away(error) from error

    async def meet(self, known: Known) -> Seen:
        """See `agent.epoch.Meet`."""
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.info("server")
                pipeline.eval(scripts.MEET, 1, self._keys.epoch, known.epoch, str(known.mark))
                server, (epoch, mark, regrouped) = await pipeline.execute()
        except AWAY as error:
            raise away(error) from error
        return Seen(epoch, mark, str(server.get("run_id", "")), bool(regrouped))

    def reader(self, route: str) -> RouteReader:
        """The one who reads a route in this process' name."""
        return RouteReader(self._client, self._keys, route, self._instance)


class RouteReader:
    """Reads one route as a member of its group. Every method raises `Transient` if the server cannot be reached."""

    def __init__(self, client: Redis, keys: Keys, route: str, worker: str) -> None:
        self.route = route
        self._client = client
        self._key = keys.work(route)
        self._epoch = keys.epoch
        self._group = keys.group(route)
        self._worker = worker

    async def new(self, most: int) -> Sequence[Delivery | Unreadable]:
        """At most `most` entries that nobody has read; waits up to a second for the first."""
        found = await self._patiently(
            "XREADGROUP",
            "GROUP",
            self._group,
            self._worker,
            "COUNT",
            most,
            "BLOCK",
            BLOCK_MS,
            "STREAMS",
            self._key,
            ">",
        )
        return self._read(_entries_of(found))

    async def inherited(self, most: int, lease_s: float) -> Sequence[Delivery | Unreadable]:
        await self._answers_within(lease_s / 2 or BLOCK_MS / 1000)
        start, heirlooms = "0-0", list[tuple[str, Mapping[str, str]]]()
        idle_ms = int(lease_s * 1000)
        while left := most - len(heirlooms):
            command = ("XAUTOCLAIM", self._key, self._group, self._worker, idle_ms, start, "COUNT", left)
            found = await self._patiently(*command)
            start, claimed = found[0], found[1]
            heirlooms += _flat(claimed)
            if start == "0-0":
                break
        times = await self._times([entry for entry, _ in heirlooms])
        found_here = self._read(heirlooms)
        return [replace(it, times=times.get(it.entry, 1)) if isinstance(it, Delivery) else it for it in found_here]

    async def _times(self, claimed: Sequence[str]) -> Mapping[str, int]:
        """How often each entry was handed out; all of them are ours."""
        if not claimed:
            return {}
        ids = sorted(claimed, key=lambda entry: tuple(map(int, entry.split("-"))))
        try:
            rows: Any = await self._client.xpending_range(
                self._key, self._group, ids[0], ids[-1], 10_000, consumername=self._worker
            )
        except AWAY as error:
            raise away(error) from error
        return {str(row["message_id"]): int(row["times_delivered"]) for row in rows}

    async def _answers_within(self, seconds: float) -> None:
        """A server that was frozen or far away kept the living from renewing their holds: then they look dead."""
        asked = time.monotonic()
        await self._do("PING")
        took = time.monotonic() - asked
        if took > seconds:
            raise Transient(f"the streams took {took:.1f} s to answer", kind="streams")

    async def leave(self) -> None:
        """Take our name out of the group, unless work is still pending under it."""
        await self._do("EVAL", scripts.LEAVE, 1, self._key, self._group, self._worker)

    async def join(self) -> None:
        """Make the group, from the beginning of the stream, unless it is there; the relay is told that it was not.

        Names of workers that were killed long ago are taken out of it: nobody else would.
        """
        await self._make_group()
        await self._do("EVAL", scripts.FORGET_NAMES, 1, self._key, self._group, NAMES_KEPT_MS)

    async def _make_group(self) -> None:
        try:
            await self._client.xgroup_create(self._key, self._group, id="0", mkstream=True)
            await self._client.hset(self._epoch, "regrouped", self.route)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise away(error) from error
        except AWAY as error:
            raise away(error) from error

    async def _patiently(self, *command: Any) -> Any:
        """A command on the group; a group that is gone (the server lost it) is made again first."""
        try:
            return await self._command(*command)
        except ResponseError as error:
            if "NOGROUP" not in str(error) and "UNBLOCKED" not in str(error):
                raise away(error) from error
            await self.join()
            return await self._do(*command)
        except AWAY as error:
            raise away(error) from error

    async def _do(self, *command: Any) -> Any:
        try:
            return await self._command(*command)
        except AWAY as error:
            raise away(error) from error

    async def _command(self, *command: Any) -> Any:
        return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis has no type for it

    def _read(self, found: Sequence[tuple[str, Mapping[str, str]]]) -> Sequence[Delivery | Unreadable]:
        return [entries.read(self.route, entry, said, self._worker) for entry, said in found]


def _entries_of(found: Any) -> list[tuple[str, Mapping[str, str]]]:
    """The entries of the one stream that was read, in either protocol's shape; none where the read found nothing."""
    if not found:
        return []
    streams = list(found.values()) if isinstance(found, dict) else [stream[1] for stream in found]
    return [entry for stream in streams for entry in _flat(stream)]


def _flat(stream: Any) -> list[tuple[str, Mapping[str, str]]]:
    told = []
    for entry in stream:
        if len(entry) == 2 and isinstance(entry[0], str):
            told.append((entry[0], _fields(entry[1])))
        else:  # RESP3 nests a stream's entries one level deeper
            told += _flat(entry)
    return told


def _fields(said: Any) -> Mapping[str, str]:
    if isinstance(said, dict):
        return said
    said = said or []
    return dict(zip(said[::2], said[1::2], strict=False))
