"""A transport for servers that are not trusted: the size of a reply is bounded, and the time of a goodbye."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

MOST_BYTES = 4_194_304
"""Of one reply."""
GOODBYE_S = 1.0
"""For the end of a session: nobody waits for what that brings."""


class Bounded(httpx2.AsyncBaseTransport):
    """Passes requests on. A reply that is compressed, though nobody asked for that, or too large is an error."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            request.extensions["timeout"] = httpx2.Timeout(GOODBYE_S).as_dict()
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.ReadError("the reply is compressed", request=request)
        if isinstance(response.stream, httpx2.AsyncByteStream):  # as ever with an asynchronous client
            response.stream = _Counted(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for chunk in self._inner:
            if (left := left - len(chunk)) < 0:
                raise httpx2.ReadError(f"the reply has more than {MOST_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
