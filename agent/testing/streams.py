"""The transport in memory: `Streams` for workers, `Doorbell` for the door, and a reader for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count

from agent.errors import Transient
from agent.fairness import UNSHARED, Share
from agent.ports import Delivery, Pointer, Unreadable

Fields = dict[str, str]


@dataclass(slots=True)
class _Entry:
    fields: Fields
    reader: str | None = None
    """Who read it last; None while it waits."""

    @property
    def read(self) -> bool:
        return self.reader is not None


class MemoryStreams:
    """Entries stay until they are acked: they wait, once read they are pending, and `redeliver` lets them wait again.

    A lease lasts until its entry is acked or its worker dies. While `reachable` is False every call to the transport
    raises `Transient`.
    """

    def __init__(self, share: Share = UNSHARED) -> None:
        self.reachable = True
        self.share = share
        self.leases: dict[Pointer, str] = {}
        """The worker that holds the lease on a piece of work."""
        self._entries: dict[str, dict[str, _Entry]] = {}
        self._numbers = count(1)
        self._registered: set[str] = set()
        self._rung: list[str] = []
        self._bell = asyncio.Event()

    async def publish(self, pointer: Pointer, /) -> str:
        """As `Streams.publish`."""
        await self._turn()
        if self._waits(pointer) >= self.share.most(pointer):
            return ""
        told = {name: str(value) for name, value in asdict(pointer).items() if name != "bulk"}
        return self.put(pointer.route, told | ({"bulk": "1"} if pointer.bulk else {}))

    def _waits(self, pointer: Pointer) -> int:
        """How many entries of its project nobody has read at its route."""
        held = self._entries.get(pointer.route, {}).values()
        return sum(not entry.read and entry.fields.get("project") == pointer.project for entry in held)

    async def ended(self, run: str, /) -> None:
        """As `Streams.ended`."""
        await self._turn()
        if run in self._registered:
            self._registered.remove(run)
            self._rung.append(run)
            self._bell.set()

    async def take(self, delivery: Delivery, /) -> bool:
        """As `Streams.take`."""
        await self._turn()
        return self.leases.setdefault(delivery.pointer, delivery.worker) == delivery.worker

    async def ack(self, delivery: Delivery | Unreadable, /) -> None:
        """As `Streams.ack`."""
        await self._turn()
        self._drop(delivery)
        if isinstance(delivery, Delivery) and self.leases.get(delivery.pointer) == delivery.worker:
            del self.leases[delivery.pointer]

    async def release(self, delivery: Delivery, /) -> None:
        """As `Streams.release`."""
        await self.ack(delivery)

    async def register(self, run: str, /) -> None:
        """As `Doorbell.register`."""
        await self._turn()
        self._registered.add(run)

    async def rings(self) -> Sequence[str]:
        """As `Doorbell.rings`."""
        await self._turn()
        try:
            async with asyncio.timeout(1.0):  # `wait_for` of Python 3.11 may swallow a cancellation
                await self._bell.wait()
        except TimeoutError:
            return []
        rung, self._rung = self._rung, []
        self._bell.clear()
        return rung

    async def ping(self) -> None:
        """As `Doorbell.ping`."""
        await self._turn()

    def put(self, route: str, fields: Mapping[str, str]) -> str:
        """Add an entry as somebody else might, readable or not; its id."""
        entry = f"{next(self._numbers)}-0"
        self._entries.setdefault(route, {})[entry] = _Entry(dict(fields))
        return entry

    def read(self, route: str, most: int, worker: str = "") -> list[Delivery | Unreadable]:
        """At most `most` entries of a route that wait, oldest first; they are pending from now on."""
        waiting = [(id, entry) for id, entry in self._entries.get(route, {}).items() if not entry.read][:most]
        for _, entry in waiting:
            entry.reader = worker
        return [_read(route, id, entry.fields, worker) for id, entry in waiting]

    def waiting(self) -> dict[str, int]:
        """How many entries nobody has read yet, by route; an empty mapping once all are read."""
        counts = {route: sum(not entry.read for entry in held.values()) for route, held in self._entries.items()}
        return {route: number for route, number in counts.items() if number}

    def pending(self, route: str) -> list[str]:
        """Ids of the entries of a route that were read and not acked, oldest first."""
        return [id for id, entry in self._entries.get(route, {}).items() if entry.read]

    def entries(self, route: str) -> dict[str, Fields]:
        """What stands in a route's stream, by entry id, oldest first."""
        return {id: dict(entry.fields) for id, entry in self._entries.get(route, {}).items()}

    def redeliver(self) -> None:
        """Let everything that is pending be read once more, as if its worker had died."""
        self.leases.clear()
        for held in self._entries.values():
            for entry in held.values():
                entry.reader = None

    def lose_everything(self) -> None:
        """Forget all entries and leases, as a transport may that was wiped."""
        self._entries.clear()
        self.leases.clear()

    def _drop(self, delivery: Delivery | Unreadable) -> None:
        """Acknowledge and delete an entry, unless another worker has taken it over."""
        route = delivery.route if isinstance(delivery, Unreadable) else delivery.pointer.route
        entry = self._entries.get(route, {}).get(delivery.entry)
        mine = isinstance(delivery, Unreadable) or (entry is not None and entry.reader in (delivery.worker, None))
        if mine:
            self._entries.get(route, {}).pop(delivery.entry, None)

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if not self.reachable:
            raise Transient("the streams cannot be reached", kind="streams")


def _read(route: str, entry: str, fields: Fields, worker: str) -> Delivery | Unreadable:
    try:
        pointer = Pointer(
            run=fields["run"],
            generation=int(fields["generation"]),
            seq=int(fields["seq"]),
            route=fields["route"],
            attempt=int(fields["attempt"]),
            project=fields["project"],
            trace=fields["trace"],
            bulk=fields.get("bulk") == "1",
        )
    except (KeyError, ValueError) as error:
        return Unreadable(route, entry, fields, f"no pointer: {type(error).__name__}: {error}")
    return Delivery(pointer, entry, worker)
