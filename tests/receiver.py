"""A receiver of webhooks that a test holds: it keeps what comes and answers as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def reply(status: int, *headers: str, body: bytes = b"") -> bytes:
    """A reply with a body of its own length."""
    lines = (f"HTTP/1.1 {status} Said", *headers, f"content-length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


@dataclass
class Came:
    """One request, as it came."""

    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with `replies` in turn, then with 204; None for one that is never answered."""

    port: int
    scheme: str = "http"
    replies: list[bytes | None] = field(default_factory=list)
    came: list[Came] = field(default_factory=list)
    connections: int = 0
    open: dict[asyncio.StreamWriter, asyncio.Event] = field(default_factory=dict)
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    async def until(self, count: int) -> list[Came]:
        """What has come once that is so much. Raises `TimeoutError`."""
        async with asyncio.timeout(20), self.heard:
            await self.heard.wait_for(lambda: len(self.came) >= count)
        return self.came

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        over = self.open[writer] = asyncio.Event()
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                signature = next((line.split(": ", 1)[1] for line in head if line.startswith("webhook-signature")), "")
                content = await reader.readexactly(int(headers["content-length"]))
                self.came.append(Came(head[0].split()[1], {**headers, "webhook-signature": signature}, content))
                async with self.heard:
                    self.heard.notify_all()
                answer = self.replies.pop(0) if self.replies else OK
                if answer is None:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.transport.abort()  # a polite end of TLS would wait for the other side's
            del self.open[writer]
            over.set()

    async def close(self) -> None:
        """Hang up, and wait until everybody has noticed."""
        left = dict(self.open)
        for writer in left:
            writer.transport.abort()
        await asyncio.gather(*(over.wait() for over in left.values()))


@asynccontextmanager
async def receiving(*replies: bytes | None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of this machine, for as long as the block lasts."""
    receiver = Receiver(0, "https" if tls else "http", list(replies))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()
