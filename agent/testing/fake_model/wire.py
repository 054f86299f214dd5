"""HTTP/1.1 on a bare socket: a reply says byte for byte what is sent, how slowly, and how it ends."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal, cast
from urllib.parse import parse_qsl, urlsplit

import httptools

MAX_BODY_BYTES = 20_000_000
"""A longer request body is read, thrown away and answered with 413."""

Ending = Literal["keep", "cut", "reset", "hang"]
"""After the last byte: keep the connection, close it (FIN), reset it (RST), or say nothing until the client leaves."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are in lower case; `too_large` means that the body was thrown away."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool
    too_large: bool


def _ignore(complete: bool, /) -> None:
    pass


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes onto the socket: `parts` is the body, in the pieces in which it is sent, `pause_s` apart."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[bytes, ...] = ()
    chunked: bool = False
    delay_s: float = 0.0
    pause_s: float = 0.0
    missing_bytes: int = 0
    """Bytes that the content-length promises and the body does not have."""
    only_bytes: int | None = None
    """Send no more than so many bytes of the response, its head included; then comes the ending."""
    ending: Ending = "keep"
    on_end: Callable[[bool], None] = _ignore
    """Called once: True when all that was to be sent went out, False when the client left before."""
    first: Callable[[], Awaitable[None]] = _nothing
    """Waited for before the first byte."""
    last: Callable[[], Awaitable[None]] = _nothing
    """Waited for after the last byte."""

    def pieces(self) -> list[bytes]:
        """The response as it is written to the socket; its head goes with the first piece of the body."""
        body = [b"%x\r\n%b\r\n" % (len(part), part) for part in self.parts] if self.chunked else list(self.parts)
        if self.chunked and self.ending == "keep":
            body.append(b"0\r\n\r\n")
        whole = [self._head() + (body[0] if body else b""), *body[1:]]
        return whole if self.only_bytes is None else [b"".join(whole)[: self.only_bytes]]

    def _head(self) -> bytes:
        length = sum(map(len, self.parts)) + self.missing_bytes
        framing = "transfer-encoding: chunked" if self.chunked else f"content-length: {length}"
        named = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n{named}{framing}\r\n\r\n".encode("latin-1")


App = Callable[[Request], Reply]
"""Decides on a reply at once, without waiting; the waiting is the wire's."""


class Wire(asyncio.Protocol):
    """One connection: reads requests, asks the app and performs its replies in order."""

    def __init__(self, app: App, wires: set[Wire]) -> None:
        self._app = app
        self._wires = wires
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self._parser = httptools.HttpRequestParser(self)
        self._start_request()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._wires.add(self)
        self.task = asyncio.get_running_loop().create_task(self._answer_all())

    def connection_lost(self, exc: Exception | None) -> None:
        self._wires.discard(self)
        self.task.cancel()

    def abort(self) -> None:
        """Close the connection now, whatever is going on there."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self._transport.close()

    # The parser calls the next five.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size_bytes += len(body)
        if self._size_bytes <= MAX_BODY_BYTES:
            self._body.append(body)

    def on_message_complete(self) -> None:
        url = urlsplit(self._url.decode("latin-1"))
        too_large = self._size_bytes > MAX_BODY_BYTES
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers=self._headers,
            body=b"" if too_large else b"".join(self._body),
            keep_alive=self._parser.should_keep_alive(),
            too_large=too_large,
        )
        self._requests.put_nowait(request)
        self._start_request()

    def _start_request(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size_bytes = 0

    async def _answer_all(self) -> None:
        try:
            kept = True
            while kept:
                request = await self._requests.get()
                kept = await self._perform(self._app(request)) and request.keep_alive
        finally:
            self._transport.close()

    async def _perform(self, reply: Reply) -> bool:
        """Send a reply; whether the connection may be used again. Cancelled when the client leaves."""
        complete = False
        try:
            await reply.first()
            await self._send(reply)
            complete = reply.ending != "hang"
            if not complete:
                await asyncio.Event().wait()
        finally:
            reply.on_end(complete)
        await reply.last()
        if reply.ending == "reset":
            self._reset()
        return reply.ending == "keep"

    async def _send(self, reply: Reply) -> None:
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        pieces = reply.pieces()
        if not reply.pause_s:
            pieces = [b"".join(pieces)]
        self._transport.write(pieces[0])
        for piece in pieces[1:]:
            await asyncio.sleep(reply.pause_s)
            self._transport.write(piece)

    def _reset(self) -> None:
        # Without lingering, closing sends RST instead of FIN: what a crashed proxy looks like.
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
