"""A TCP proxy of ours before each server: the network's faults are made here."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

Target = Path | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Weather:
    """How a link is. `refuse` closes what comes; `silent` takes bytes and never passes them on."""

    refuse: bool = False
    silent: bool = False
    delay_s: float = 0.0
    bytes_per_s: float | None = None


FINE = Weather()


class Side(asyncio.Protocol):
    """One end of a connection through the proxy. What it hears, the other end says."""

    def __init__(self, link: Link, other: Side | None = None) -> None:
        self.link = link
        self.other = other
        self.front = other is None
        """The end of a client; the other one is the server's."""
        self.deaf = False
        """A half-open connection: this end lives, and nothing comes of what it hears."""
        self.transport: asyncio.Transport | None = None
        self.early = b""
        """What a client said before its server was reached."""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.link.sides.add(self)
        if self.front:
            self.link.accepted(self)

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        if self.other is None or self.other.transport is None:
            self.early += data
            return
        weather, loop = self.link.weather, asyncio.get_running_loop()
        takes_s = len(data) / weather.bytes_per_s if weather.bytes_per_s else 0.0
        now = loop.time()
        if not takes_s and not weather.delay_s and self._due <= now:
            self.other.say(data)
            return
        self._due = max(self._due, now + weather.delay_s) + takes_s  # later bytes never overtake
        loop.call_at(self._due, self.other.say, data)

    def say(self, data: bytes) -> None:
        """Pass it on, if there is still somebody to pass it to."""
        if not self.deaf and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        with suppress(RuntimeError, AttributeError):
            self.other.transport.pause_reading()  # type: ignore[union-attr]

    def resume_writing(self) -> None:
        with suppress(RuntimeError, AttributeError):
            self.other.transport.resume_reading()  # type: ignore[union-attr]

    def connection_lost(self, error: Exception | None) -> None:
        self.link.sides.discard(self)
        if self.other is not None and not self.deaf and self.other.transport is not None:
            asyncio.get_running_loop().call_at(self._due, self.other.transport.close)

    def reset(self) -> None:
        """Close with RST: what a crashed peer or a firewall does."""
        if self.transport is None or self.transport.is_closing():
            return
        with suppress(OSError):
            found = self.transport.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


@dataclass
class Link:
    """One proxied server. `port` is where its clients connect, on the loopback address."""

    name: str
    target: Target
    port: int = 0
    weather: Weather = FINE
    sides: set[Side] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One weather at a time."""
    _server: asyncio.Server | None = None
    _joining: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Listen; `port` says where from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Side(self), "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    def accepted(self, side: Side) -> None:
        """A client came."""
        if self.weather.refuse:
            side.reset()
        elif self.weather.silent:
            side.deaf = True
        else:
            task = asyncio.get_running_loop().create_task(self._join(side))
            self._joining.add(task)
            task.add_done_callback(self._joining.discard)

    async def _join(self, side: Side) -> None:
        loop, back = asyncio.get_running_loop(), Side(self, side)
        try:
            if isinstance(self.target, Path):
                await loop.create_unix_connection(lambda: back, str(self.target))
            else:
                await loop.create_connection(lambda: back, *self.target)
        except OSError:
            side.reset()
            return
        side.other = back
        if side.transport is None or side.transport.is_closing():
            back.reset()
        else:
            early, side.early = side.early, b""
            side.data_received(early)

    def reset_all(self) -> None:
        """Every connection breaks, now."""
        for side in list(self.sides):
            side.reset()

    def deafen_all(self) -> None:
        """Every connection is half-open from now on: clients wait, and nothing comes."""
        for side in self.sides:
            side.deaf = True

    def forget_deaf(self) -> None:
        """The server gives its half of the half-open ones up; the clients still know nothing."""
        for side in [side for side in self.sides if side.deaf and not side.front]:
            side.reset()

    async def close(self) -> None:
        """Stop listening and drop everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._joining):
            task.cancel()
        self.reset_all()
