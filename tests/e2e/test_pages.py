"""Lists of addresses into the library: a server does what strangers' servers do, and some are not fetched at all."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.adapters.embedded import Engines
from agent.adapters.network import addresses
from agent.adapters.retrieval.fetching import MOST_REDIRECTS, Fetcher, web_address
from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.pages import ingest_pages
from agent.adapters.retrieval.reading import Skipped
from agent.adapters.retrieval.shelving import IngestReport, Shelf
from tests.e2e.shelves import migrated_pool
from tests.receiver import reply

HTML = b"<title>Warranty</title><link rel=canonical href='https://evil.example/'><h1>Lamp</h1><p>Two years.</p>"


def page(content: bytes, kind: str = "text/html", *more: str) -> bytes:
    return reply(200, f"content-type: {kind}", "set-cookie: spy=1", *more, body=content)


def moved(to: str) -> bytes:
    return reply(302, f"location: {to}")


@dataclass
class Site:
    """Answers each path with these bytes; None for silence."""

    port: int = 0
    pages: dict[str, bytes | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    def at(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.asked.append(head)
                answer = self.pages.get(head.split()[1], reply(404))
                if answer is None:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
                if b"content-length" not in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def site(**pages: bytes | None) -> AsyncIterator[Site]:
    """A site of these pages on every loopback address."""
    found = Site(pages={f"/{name}": answer for name, answer in pages.items()})
    server = await asyncio.start_server(found.serve, "0.0.0.0")  # noqa: S104  # to be found at more than one address
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


@asynccontextmanager
async def fetching(**limits: float | bool | int) -> AsyncIterator[Callable[[str], asyncio.Future[str]]]:
    """Fetches, and says what came: the text, or why not."""
    fetcher = Fetcher(**{"allow_private": True, **limits})  # type: ignore[arg-type]

    async def fetch(url: str) -> str:
        try:
            return (await fetcher.fetch(url)).data.decode()
        except Skipped as reason:
            return f"skipped: {reason}"

    try:
        yield lambda url: asyncio.ensure_future(fetch(url))
    finally:
        await fetcher.close()


@pytest.fixture
async def shelf(engines: Engines) -> AsyncIterator[Shelf]:
    async with migrated_pool(engines.urls) as pool:
        yield Shelf(Library(pool), attributes={"from": ("web",)})


async def stored(shelf: Shelf) -> dict[str, tuple[str, str, str | None]]:
    """Each source with its text, its title and where a reader is led."""
    library, version = shelf.library, await shelf.library.version("default", "default")
    changes = await library.changes("default", "default", 0, version)
    return {it.passage.source: (it.passage.text, it.passage.title, it.passage.url) for it in changes if it.passage}


def written(listed: Path, *urls: str) -> Path:
    listed.write_text("# ours\n\n" + "\n".join(urls))
    return listed


async def read(shelf: Shelf, listed: Path) -> IngestReport:
    fetcher = Fetcher(allow_private=True)
    try:
        return await ingest_pages(shelf, listed, fetcher)
    finally:
        await fetcher.close()


async def test_pages_become_documents_that_open_where_they_lie(shelf: Shelf, tmp_path: Path) -> None:
    listed, latin = tmp_path / "urls.txt", "Café schließt.".encode("latin-1")
    async with site(
        lamp=page(HTML),
        notes=page(b"# Notes\n\nRead me."),
        old=moved("/lamp"),
        raw=page(latin, "text/plain; charset=latin1"),
    ) as web:
        web.pages["/readme.md"] = page(b"---\nurl: https://evil.example/\n---\n# Read\n\nMe.", "text/plain")
        web.pages["/doc"] = page(b"no pdf at all", "application/pdf")
        addresses = [
            web.at("/old#top"),
            web.at("/old"),
            web.at("/raw"),
            web.at("/readme.md"),
            web.at("/doc"),
            "mailto:x",
        ]
        report = await read(shelf, written(listed, *addresses, "https://ann:hunter2@host.example/"))
        assert (report.added, report.passages) == (3, 3)
        skipped = dict(report.skipped)
        assert set(skipped) == {web.at("/doc"), "mailto:x", "…@host.example/"}
        assert "hunter2" not in str(report)
        assert await stored(shelf) == {
            web.at("/old"): ("Two years.", "Warranty › Lamp", web.at("/lamp")),
            web.at("/raw"): ("Café schließt.", "raw.txt", web.at("/raw")),
            web.at("/readme.md"): ("Me.", "Read", web.at("/readme.md")),
        }
        known = await shelf.known()
        assert known[web.at("/raw")].root == f"urls:{listed}"
        asked = len(web.asked)
        assert not [head for head in web.asked if "cookie" in head.lower()]

        again = await read(shelf, written(listed, *addresses))
        assert (again.added, again.replaced, again.unchanged, again.version) == (0, 0, 3, report.version)
        assert len(web.asked) > asked

        # One that is away or broken stays; one that left the list goes; another list's are not touched.
        web.pages["/old"], web.pages["/raw"] = reply(404), page(b"New words.", "text/plain")
        third = await read(shelf, written(listed, web.at("/old"), web.at("/raw")))
        assert (third.replaced, third.removed, dict(third.skipped)) == (1, 1, {web.at("/old"): "status 404"})
        other = await read(shelf, written(tmp_path / "more.txt", web.at("/lamp")))
        assert (other.added, other.removed, other.passages) == (1, 0, 3)


async def test_what_a_stranger_sends_is_bounded() -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n" + b"x" * 3_000
    async with (
        site(
            big=page(b"x" * 3_000, "text/plain"),
            endless=endless,
            bomb=page(gzip.compress(b"x" * 3_000), "text/plain", "content-encoding: gzip"),
            picture=page(b"\x89PNG", "image/png"),
            untyped=reply(200, body=b"x"),
            odd=page(b"x", "text/plain; charset=zlib"),
            gone=reply(500, "content-type: text/html", body=b"x"),
            broken=b"HTTP/1.1 2",
            silent=None,
            fine=page(b"Fine.", "text/plain; charset=UTF-8"),
        ) as web,
        fetching(most_bytes=2_000) as fetch,
        fetching(timeout_s=0.1) as hasty,
    ):
        assert await hasty(web.at("/silent")) == "skipped: not there within 0.1 s"
        del web.pages["/silent"]
        came = dict(zip(web.pages, await asyncio.gather(*(fetch(web.at(path)) for path in web.pages)), strict=True))
    reasons = {
        "/big": "larger than 0.002 MB",
        "/endless": "larger than 0.002 MB",
        "/bomb": "compressed, although that was not asked for",
        "/picture": "of type image/png, not one of",
        "/untyped": "of type unknown, not one of",
        "/odd": "not ZLIB text",
        "/gone": "status 500",
        "/broken": "the connection broke",
    }
    assert came.pop("/fine") == "Fine."
    assert [path for path, text in came.items() if not text.startswith(f"skipped: {reasons[path]}")] == [], came


async def test_redirects_are_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(fine=page(b"Fine.", "text/plain"), loop=moved("/loop")) as web:
        # The first address counts as everybody's here, and no other does.
        monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
        targets = {
            "/near": (web.at("/fine"), "Fine."),
            "/relative": ("fine", "Fine."),
            "/inside": (web.at("/fine", "127.0.0.2"), "an address of a private network"),
            "/cloud": ("http://169.254.169.254/latest/meta-data/", "an address of a private network"),
            "/file": ("file:///etc/passwd", "a redirect: not an address of the web"),
            "/login": (f"http://ann:secret@127.0.0.1:{web.port}/fine", "a redirect: it holds a user name"),
            "/loop": ("/loop", f"more than {MOST_REDIRECTS} redirects"),
        }
        web.pages.update({path: moved(to) for path, (to, _) in targets.items()})
        async with fetching(allow_private=False) as fetch:
            came = {path: (await fetch(web.at(path))).removeprefix("skipped: ") for path in targets}
        hosts = {line for head in web.asked for line in head.splitlines() if line.lower().startswith("host: ")}
    assert [path for path, text in came.items() if not text.startswith(targets[path][1])] == [], came
    assert hosts == {f"Host: 127.0.0.1:{web.port}"}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "0"],
)
async def test_a_private_address_is_not_connected_to_however_it_is_written(host: str) -> None:
    async with site(fine=page(b"Fine.")) as web, fetching(allow_private=False) as fetch:
        assert "private network" in await fetch(web.at("/fine", host))
        assert web.asked == []


async def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    async def lookup(host: str, port: int, *, allow_private: bool) -> list[str]:
        looked.append(host)
        return ["127.0.0.1"] if len(looked) == 1 else ["127.0.0.2"]

    monkeypatch.setattr("agent.adapters.network.connecting.addresses_of", lookup)
    async with site(fine=page(b"Fine.", "text/plain")) as web, fetching(allow_private=False) as fetch:
        assert await fetch(web.at("/fine", "rebinding.example")) == "Fine."
    assert looked == ["rebinding.example"]


async def test_what_cannot_be_reached_is_said() -> None:
    async with fetching() as fetch:
        assert await fetch("http://a b/") == "skipped: there is no such host"
        assert await fetch("http://nowhere.invalid/") == "skipped: there is no such host"
        assert await fetch("http://127.0.0.1:1/") == "skipped: it cannot be reached"


@pytest.mark.parametrize(
    "url",
    ["", "ftp://host/", "file:///etc/passwd", "//host/x", "/x", "http://", "https:///x", "javascript:alert(1)",
     "http://ann@host/", "http://ann:secret@host/", "https://host/" + "x" * 2_000, "http://[::1", "http://h:99999999/"],
)  # fmt: skip
def test_an_address_that_is_none_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(Skipped):
        web_address(url)
