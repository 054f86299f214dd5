"""Pages of the web, fetched for the library. Where to, how much, of what kind and how long is checked."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import metadata
from pathlib import PurePosixPath

import httpcore
import httpx

from agent.adapters.network.addresses import Forbidden, Unresolved
from agent.adapters.network.connecting import GuardedBackend
from agent.adapters.retrieval.reading import MOST_BYTES, READERS, Skipped

MOST_REDIRECTS = 5
MOST_URL_CHARS = 2_000
TIMEOUT_S = 30.0
"""For a page as a whole, however it comes."""
KINDS: Mapping[str, str] = {
    "text/html": ".html",
    "application/xhtml+xml": ".xhtml",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/plain": ".txt",
    "application/pdf": ".pdf",
}
"""What is read, by its type, and as what kind of file."""
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """What an address brought: the address where it lay in the end, its bytes, and the suffix that says their kind."""

    url: str
    suffix: str
    data: bytes


class Guarded(httpx.AsyncHTTPTransport):
    """Connects to the addresses that were checked only. No proxy of the environment is asked: it would look again."""

    def __init__(self, allow_private: bool, trust: ssl.SSLContext | None) -> None:
        super().__init__(trust_env=False, verify=trust or True)
        # httpx has no door for a network of one's own; its version is held to 0.28.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust or httpx.create_ssl_context(),
            keepalive_expiry=1.0,
            network_backend=GuardedBackend(allow_private),
        )


class Fetcher:
    """Fetches pages. Nothing of one page, cookies or logins, is sent for another. Close it after the last."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        timeout_s: float = TIMEOUT_S,
        most_bytes: int = MOST_BYTES,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._client = httpx.AsyncClient(
            transport=Guarded(allow_private, trust),
            trust_env=False,
            timeout=timeout_s,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            # What is sent as it is cannot grow on its way here.
            headers={
                "accept": ", ".join(KINDS),
                "accept-encoding": "identity",
                "user-agent": f"cuelight/{metadata.version('cuelight')}",
            },
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def fetch(self, url: str) -> Page:
        """The page at an address, whatever redirects lead there. Raises `Skipped` with a reason for its reader."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._followed(web_address(url))
        except Skipped:
            raise
        except Exception as error:
            # Strangers find what no list of exceptions holds; one of them must not end the fetching of the others.
            raise Skipped(_reason(error, self._timeout_s)) from error

    async def _followed(self, url: httpx.URL) -> Page:
        for _ in range(MOST_REDIRECTS + 1):
            async with self._client.stream("GET", url) as reply:
                if not reply.has_redirect_location:
                    return Page(str(url), _suffix(reply, url), _as_utf8(reply, await self._body(reply)))
                url = _next(url, reply.headers["location"])
        raise Skipped(f"more than {MOST_REDIRECTS} redirects")

    async def _body(self, reply: httpx.Response) -> bytes:
        """Raises `Skipped` for what is too large, before all of it is here."""
        told = reply.headers.get("content-length", "")
        most = self._most_bytes
        if told.isdecimal() and int(told[:20]) > most:
            raise Skipped(_too_large(most))
        data = bytearray()
        async for part in reply.aiter_raw():
            data += part
            if len(data) > most:
                raise Skipped(_too_large(most))
        return bytes(data)


def web_address(url: str) -> httpx.URL:
    """The address without its fragment. Raises `Skipped` for what is none of the web, or holds a password."""
    try:
        found = httpx.URL(url).copy_with(fragment=None)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise Skipped("not an address of the web") from None
    if len(url) > MOST_URL_CHARS:
        raise Skipped(f"an address of more than {MOST_URL_CHARS:,} characters")
    if found.scheme not in ("http", "https") or not found.host or (found.port or 0) > 65_535:
        raise Skipped("not an address of the web: it must begin with https:// or http://")
    if found.userinfo:
        raise Skipped("it holds a user name or a password, which would be kept and shown")
    return found


def _next(url: httpx.URL, location: str) -> httpx.URL:
    try:
        target = url.join(location)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise Skipped("a redirect to what is no address") from None
    if url.scheme == "https" and target.scheme == "http":
        raise Skipped("a redirect from https to http")
    try:
        return web_address(str(target))
    except Skipped as reason:
        raise Skipped(f"a redirect: {reason}") from None


def _suffix(reply: httpx.Response, url: httpx.URL) -> str:
    """How to read a reply. Raises `Skipped` for an error, and for what is not read."""
    if reply.status_code != 200:
        raise Skipped(f"status {reply.status_code}")
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise Skipped("compressed, although that was not asked for")
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in KINDS:
        raise Skipped(f"of type {kind[:60] or 'unknown'}, not one of {' '.join(KINDS)}")
    named = PurePosixPath(url.path).suffix.lower()
    # Servers of plain files know little of types.
    return named if kind == "text/plain" and named in READERS and named != ".pdf" else KINDS[kind]


def _as_utf8(reply: httpx.Response, data: bytes) -> bytes:
    """A text whose encoding stands outside it, in the one that is tried first. Raises `Skipped` if it is another."""
    found = _CHARSET.search(reply.headers.get("content-type", ""))
    if found is None or found[1].lower() in ("utf-8", "utf8"):
        return data
    try:
        return data.decode(found[1]).encode("utf-8", "replace")
    except (UnicodeError, LookupError):
        raise Skipped(f"not {found[1].upper()} text") from None


def _too_large(most: int) -> str:
    return f"larger than {most / 1_000_000:.3g} MB"


def _reason(error: Exception, timeout_s: float) -> str:
    """Why nothing came, without a word of the stranger's."""
    for cause in _causes(error):
        if isinstance(cause, Forbidden):
            return "an address of a private network; CUELIGHT_INGEST_ALLOW_PRIVATE allows them"
        if isinstance(cause, Unresolved):
            return "there is no such host"
        if isinstance(cause, ssl.SSLError):
            return "its certificate or its TLS is not trusted"
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"not there within {timeout_s:g} s"
    return "it cannot be reached" if isinstance(error, httpx.ConnectError) else "the connection broke"


def _causes(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *_causes(error.__cause__ or error.__context__)]
