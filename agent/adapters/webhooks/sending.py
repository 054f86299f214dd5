"""Sends events to endpoints. An endpoint is a stranger: what it resolves to, says and takes long for is not trusted."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from importlib import metadata
from urllib.parse import urlsplit

import httpcore
import httpx

from agent.adapters.network.addresses import Forbidden, Unresolved
from agent.adapters.network.connecting import GuardedBackend
from agent.webhooks import Parcel, Receipt, body, complaint, signed

MOST_REPLY_BYTES = 65_536
"""A reply is read so far, only that the connection can be used again; nothing of it is kept."""
IDLE_S = 4.0
"""Many servers hang up after 5 seconds of silence; a connection that ends just then would be a failure for nothing."""


class Sender:
    """Sends parcels, `slots` at a time. Its replies' bodies, redirects and cookies come to nothing."""

    def __init__(
        self,
        *,
        allow_private: bool,
        timeout_s: float,
        slots: int,
        now: Callable[[], float] = time.time,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._timeout_s = timeout_s
        self._now = now
        self._agent = f"cuelight/{metadata.version('cuelight')}"
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust or httpx.create_ssl_context(),
            max_connections=slots,
            keepalive_expiry=IDLE_S,
            network_backend=GuardedBackend(allow_private),
        )

    async def send(self, parcel: Parcel) -> Receipt:
        """What came of one attempt. It never raises for anything that the endpoint does."""
        began = time.monotonic()
        status, error = await self._attempt(parcel)
        return Receipt(status, error, round((time.monotonic() - began) * 1000))

    async def close(self) -> None:
        """Close what is open."""
        await self._pool.aclose()

    async def _attempt(self, parcel: Parcel) -> tuple[int | None, str]:
        if complaint(parcel.url, self._allow_private) is not None:  # it may have been allowed when it was put on record
            return None, "forbidden"
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._post(parcel)
        except Exception as error:
            return None, reason(error)
        return status, "" if 200 <= status < 300 else "redirect" if 300 <= status < 400 else "status"

    async def _post(self, parcel: Parcel) -> int:
        content = body(parcel)
        told = signed(parcel, content, int(self._now()))
        headers = {**told, "host": urlsplit(parcel.url).netloc, "content-type": "application/json"}
        every = {**headers, "content-length": str(len(content)), "user-agent": self._agent}
        async with self._pool.stream("POST", parcel.url, headers=list(every.items()), content=content) as reply:
            await _drain(reply)
            return int(reply.status)


async def _drain(reply: httpcore.Response) -> None:
    """Read a short reply to its end. Of a longer one the rest is never asked for: its connection is closed."""
    count = 0
    async for part in reply.aiter_stream():
        count += len(part)
        if count > MOST_REPLY_BYTES:
            return


def _is_tls(error: BaseException | None) -> bool:
    """Whether what was raised began with a certificate or a handshake that was no good."""
    return error is not None and (isinstance(error, ssl.SSLError) or _is_tls(error.__cause__ or error.__context__))


def reason(error: Exception) -> str:
    """One word for what went wrong, and nothing that a stranger said."""
    words: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
        ((Forbidden,), "forbidden"),
        ((Unresolved,), "unresolved"),
        ((TimeoutError, httpcore.TimeoutException), "timeout"),
        ((httpcore.ConnectError,), "tls" if _is_tls(error) else "connect"),
        ((httpcore.NetworkError, OSError), "connection"),
        ((httpcore.ProtocolError,), "protocol"),
    )
    return next((word for kinds, word in words if isinstance(error, kinds)), "unexpected")
