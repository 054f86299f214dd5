"""The proxy passes bytes on in good weather, and does in bad weather what a network would do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.chaos.proxy import FINE, Link, Weather

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Echo:
    """A server behind a link: it says everything back, and remembers it."""

    link: Link
    heard: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def dial(self) -> Ends:
        return await asyncio.open_connection("127.0.0.1", self.link.port)


@asynccontextmanager
async def echo() -> AsyncIterator[Echo]:
    found = Echo(Link("echo", ("127.0.0.1", 0)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while said := await reader.read(100):
                found.heard.append(said)
                writer.write(said)
        except ConnectionResetError:
            pass
        finally:
            found.left.set()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.link.target = ("127.0.0.1", server.sockets[0].getsockname()[1])
    await found.link.open()
    try:
        yield found
    finally:
        await found.link.close()
        server.close()


async def said_back(ends: Ends, words: bytes) -> bytes:
    ends[1].write(words)
    return await ends[0].readexactly(len(words))


async def test_good_weather_passes_bytes_both_ways() -> None:
    async with echo() as server:
        ends = await server.dial()
        assert await said_back(ends, b"hello") == b"hello"
        ends[1].close()
        await server.left.wait()


async def test_delayed_and_slow_bytes_arrive_whole_and_in_order() -> None:
    async with echo() as server:
        ends = await server.dial()
        server.link.weather = Weather(delay_s=0.02)
        ends[1].write(b"one ")
        server.link.weather = Weather(bytes_per_s=2_000.0)
        assert await said_back(ends, b"two") == b"one"
        assert await ends[0].readexactly(4) == b" two"
        ends[1].close()


async def test_a_refused_client_is_reset() -> None:
    async with echo() as server:
        server.link.weather = Weather(refuse=True)
        reader, writer = await server.dial()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()


async def test_a_half_open_connection_hears_nothing_ever_and_its_server_is_told() -> None:
    async with echo() as server:
        ends = await server.dial()
        assert await said_back(ends, b"before") == b"before"
        server.link.weather = Weather(silent=True)
        server.link.deafen_all()
        ends[1].write(b"lost")
        server.link.weather = FINE
        server.link.forget_deaf()
        await server.left.wait()
        other = await server.dial()
        assert await said_back(other, b"after") == b"after"
        assert server.heard == [b"before", b"after"]
        assert not ends[0].at_eof()
        for _, writer in (ends, other):
            writer.close()
