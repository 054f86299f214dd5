"""Folders and files into a collection: what is new is added, what changed is replaced, what is gone is removed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.reading import READERS, Empty, Skipped, content_hash, read, read_bytes
from agent.adapters.retrieval.records import Document, Known, clean

BATCH_DOCUMENTS = 100
BATCH_CHARS = 2_000_000
"""Each batch is one transaction and one version: an ingest that breaks off keeps what it has done."""

Progress = Callable[[int, int, str], None]
"""Told the number of files done, of all files, and the source that was done last."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to read. `root` is the path that it was found under; `source` is its name in the collection."""

    path: Path
    source: str
    root: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Documents added, unchanged, replaced and removed; passages in the collection now, and its version.

    `skipped` holds paths as they were found, each with the reason.
    """

    added: int
    unchanged: int
    replaced: int
    removed: int
    passages: int
    skipped: Sequence[tuple[str, str]]
    version: int


@dataclass(slots=True)
class _Tally:
    added: int = 0
    unchanged: int = 0
    replaced: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    """Sources that are still there, read or not: a file that cannot be read now keeps what was read of it before."""
    moved: dict[str, str] = field(default_factory=dict)


async def ingest(
    library: Library,
    paths: Sequence[Path],
    *,
    project: str = "default",
    collection: str = "default",
    progress: Progress | None = None,
) -> IngestReport:
    """Make the collection hold what stands under `paths` now. Doing it again changes nothing and costs no version.

    A document that was read under one of these folders before and is gone is removed; those of other folders stay.
    Raises `Transient` if the library cannot be reached, `Refused` if there is no such project.
    """
    project, collection = clean(project), clean(collection)
    tally = _Tally()
    files, roots = await asyncio.to_thread(_found, paths, tally)
    known = await library.documents(project, collection)
    batch: list[Document] = []
    for number, file in enumerate(files, 1):
        document = await asyncio.to_thread(_read, file, known.get(file.source), tally)
        if document is not None:
            batch.append(document)
        if _full(batch) or number == len(files):
            await _put(library, project, collection, batch)
        if progress is not None:
            progress(number, len(files), file.source)
    gone = [source for source, was in known.items() if was.root in roots and source not in tally.kept]
    return await _finish(library, project, collection, gone, tally)


async def _put(library: Library, project: str, collection: str, batch: list[Document]) -> None:
    if batch:
        await library.put(project, collection, batch)
        batch.clear()


async def _finish(library: Library, project: str, collection: str, gone: Sequence[str], tally: _Tally) -> IngestReport:
    if tally.moved:
        await library.move(project, collection, tally.moved)
    if gone:
        await library.remove(project, collection, gone)
    return IngestReport(
        added=tally.added,
        unchanged=tally.unchanged,
        replaced=tally.replaced,
        removed=len(gone),
        passages=await library.count(project, collection),
        skipped=tuple(tally.skipped),
        version=await library.version(project, collection),
    )


def _full(batch: Sequence[Document]) -> bool:
    chars = sum(len(piece.text) for document in batch for piece in document.pieces)
    return len(batch) >= BATCH_DOCUMENTS or chars >= BATCH_CHARS


def _read(file: File, known: Known | None, tally: _Tally) -> Document | None:
    """The document if it has to be stored."""
    try:
        data = read_bytes(file.path)
        if known is not None and known.content_hash == content_hash(data):
            tally.unchanged += 1
            tally.kept.add(file.source)
            if known.root != file.root:
                tally.moved[file.source] = file.root
            return None
        if known is not None and known.root != file.root and _still_there(known.root, file.source):
            # Two folders of one name: to put this one in place of the other would lose a document without a word.
            raise Skipped(f"another document is called {file.source} already, from {known.root}")
        document = read(data, file.source, file.root)
    except Skipped as reason:
        tally.skipped.append((clean(str(file.path)), str(reason)))
        if not isinstance(reason, Empty):
            tally.kept.add(file.source)
        return None
    tally.kept.add(file.source)
    tally.added += known is None
    tally.replaced += known is not None
    return document


def _still_there(root: str, source: str) -> bool:
    """Whether the file that a document was read from is where it was; a folder that was moved left nothing behind."""
    return (Path(root).parent / source).exists()


def _found(paths: Sequence[Path], tally: _Tally) -> tuple[list[File], set[str]]:
    """The files to read, each source once, and the roots that could be looked through."""
    files: dict[str, File] = {}
    roots = set()
    for path in paths:
        root = path.resolve()
        if not root.exists():
            # A folder that is not mounted today is no reason to forget what was in it.
            tally.skipped.append((clean(str(path)), "no such file or folder"))
            continue
        roots.add(clean(root.as_posix()))
        for file in _walked(root, tally):
            first = files.setdefault(file.source, file)
            if first.path != file.path:
                tally.skipped.append((clean(str(file.path)), f"another file is called {file.source} already"))
    return list(files.values()), roots


def _walked(root: Path, tally: _Tally) -> Iterator[File]:
    if not root.is_dir():
        yield from _accepted(root, root, tally, named=True)
        return
    # Links to folders are not followed: what they lead to inside the root is found there anyway.
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield from _accepted(Path(folder) / name, root, tally, named=False)


def _accepted(path: Path, root: Path, tally: _Tally, *, named: bool) -> Iterator[File]:
    """The file if it may be read. What is found on the way and of no known kind is passed over in silence."""
    if path.suffix.lower() not in READERS:
        if named:
            kinds = " ".join(sorted(READERS))
            tally.skipped.append((clean(str(path)), f"not one of {kinds}"))
    elif not path.is_file():
        tally.skipped.append((clean(str(path)), "not a file"))
    elif not path.resolve().is_relative_to(root):
        tally.skipped.append((clean(str(path)), "a link that leads out of the folder"))
    else:
        yield File(path, clean(path.relative_to(root.parent).as_posix()), clean(root.as_posix()))
