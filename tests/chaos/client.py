"""One HTTP exchange on one connection, every byte of which is kept; and clients that hang up in the middle."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 4_000_000


@dataclass(slots=True)
class Reply:
    """What a client saw. `whole` if the reply came to its end as HTTP defines it."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    raw: bytes = b""
    whole: bool = False
    error: str = ""
    began: float = 0.0
    ended: float = 0.0

    @property
    def response(self) -> dict[str, Any] | None:
        """The Response object, if a whole one came with a status that promises one."""
        if not self.whole or self.status is None or not 200 <= self.status < 300:
            return None
        with suppress(ValueError):
            found = json.loads(self.body)
            return found if isinstance(found, dict) and found.get("object") == "response" else None
        return None


async def exchange(
    port: int,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    timeout_s: float = 90.0,
    hang_up_after_s: float | None = None,
) -> Reply:
    """Ask and read to the end. Raises nothing: what went wrong stands in the reply."""
    reply = Reply(began=time.time())
    writer: asyncio.StreamWriter | None = None
    limit = timeout_s if hang_up_after_s is None else min(timeout_s, hang_up_after_s)
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MOST_BYTES)
            writer.write(_request(method, path, headers or {}, body))
            while part := await reader.read(65_536):
                reply.raw += part
    except (OSError, TimeoutError) as error:
        reply.error = f"{type(error).__name__}: {error}"
    finally:
        if writer is not None:
            writer.transport.abort()
    reply.ended = time.time()
    _read(reply)
    return reply


def _request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    named = {"host": "cuelight", "connection": "close", "content-type": "application/json", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def _read(reply: Reply) -> None:
    head, found, body = reply.raw.partition(b"\r\n\r\n")
    if not found:
        return
    first, *lines = head.decode("latin-1").split("\r\n")
    reply.status = int(first.split(" ")[1])
    reply.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if reply.headers.get("transfer-encoding") == "chunked":
        body, reply.whole = _unchunked(body)
    elif "content-length" in reply.headers:
        reply.whole = len(body) >= int(reply.headers["content-length"])
    reply.body = body.decode("utf-8", "replace")


def _unchunked(body: bytes) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    while body:
        size, found, rest = body.partition(b"\r\n")
        if not found:
            break
        length = int(size.split(b";")[0], 16)
        if length == 0:
            return b"".join(parts), True
        parts.append(rest[:length])
        body = rest[length + 2 :]
    return b"".join(parts), False
