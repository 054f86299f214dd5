"""A list of addresses into a collection: what they bring now, as documents that open where they came from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import httpx

from agent.adapters.retrieval.fetching import Fetcher, Page, web_address
from agent.adapters.retrieval.reading import Skipped, read, read_bytes
from agent.adapters.retrieval.records import Document, Known, clean
from agent.adapters.retrieval.shelving import Batch, IngestReport, Shelf, Tally, finish
from agent.filters import Attributes

AT_ONCE = 4
MOST_ADDRESSES = 10_000
Progress = Callable[[int, int, str], None]
"""Told the number of addresses done, of all, and the one that was done last."""


class Asked(NamedTuple):
    """An address of the list and what came of it."""

    address: str
    came: Page | Skipped


async def ingest_pages(
    shelf: Shelf, listed: Path, fetcher: Fetcher, *, progress: Progress | None = None
) -> IngestReport:
    """Make the collection hold what the addresses in a file bring now: one on a line, lines with `#` left out.

    A document whose address has left the list is removed; one that cannot be fetched now stays as it was.
    Raises `Skipped` if the list cannot be read, `Transient` and `Refused` as `ingest`.
    """
    tally = Tally()
    root, data = await asyncio.to_thread(_list, listed)
    addresses = list(_addresses(data, tally))
    known, batch = await shelf.known(), Batch(shelf)
    for start in range(0, len(addresses), AT_ONCE):
        asked = [_fetched(fetcher, address) for address in addresses[start : start + AT_ONCE]]
        for number, (address, came) in enumerate(await asyncio.gather(*asked), start + 1):
            taken = await asyncio.to_thread(_read, address, came, root, known.get(address), shelf.attributes, tally)
            if taken is not None:
                await batch.add(taken)
            if progress is not None:
                progress(number, len(addresses), address)
    await batch.flush()
    gone = [source for source, was in known.items() if was.root == root and source not in tally.kept]
    return await finish(shelf, gone, tally)


def _list(path: Path) -> tuple[str, bytes]:
    """What documents of this list are marked with, and what stands in it. Raises `Skipped`."""
    return clean(f"urls:{path.resolve().as_posix()}"), read_bytes(path)


def _addresses(data: bytes, tally: Tally) -> Iterator[str]:
    """Each address once, as it is asked for. Raises `Skipped` if this is no list."""
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise Skipped("not UTF-8 text") from None
    told = dict.fromkeys(line for line in lines if line and not line.startswith("#"))
    if len(told) > MOST_ADDRESSES:
        raise Skipped(f"more than {MOST_ADDRESSES:,} addresses")
    seen: set[str] = set()
    for line in told:
        try:
            address = clean(str(web_address(line)))
        except Skipped as reason:
            tally.skipped.append((clean(_without_secret(line)), str(reason)))
            continue
        if address not in seen:
            seen.add(address)
            yield address


def _without_secret(line: str) -> str:
    """A line as it may be shown: what stands before an `@` may be a password."""
    return f"…@{line.rpartition('@')[2]}" if "@" in line else line


async def _fetched(fetcher: Fetcher, address: str) -> Asked:
    try:
        return Asked(address, await fetcher.fetch(address))
    except Skipped as reason:
        return Asked(address, reason)


def _read(
    address: str, came: Page | Skipped, root: str, known: Known | None, given: Attributes, tally: Tally
) -> Document | None:
    """The document if it has to be stored."""
    try:
        if isinstance(came, Skipped):
            raise came
        if tally.is_unchanged(came.data, address, root, known, given):
            return None
        document = read(came.data, _name(came), root, given)
    except Skipped as reason:
        tally.skip(address, address, reason)
        return None
    tally.took(address, known)
    # A page that names another address as its own is a stranger's word for where a reader should go.
    return replace(document, source=address, url=clean(came.url))


def _name(page: Page) -> str:
    """What a page without a title is called: the last part of its address."""
    url = httpx.URL(page.url)
    return f"{PurePosixPath(url.path).stem or url.host}{page.suffix}"
