"""Folders and files into a collection: what is new is added, what changed is replaced, what is gone is removed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.reading import NONE, READERS, Skipped, read, read_bytes
from agent.adapters.retrieval.records import Document, Known, clean
from agent.adapters.retrieval.shelving import Batch, IngestReport, Shelf, Tally, finish
from agent.filters import Attributes

Progress = Callable[[int, int, str], None]
"""Told the number of files done, of all files, and the source that was done last."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to read. `root` is the path that it was found under; `source` is its name in the collection."""

    path: Path
    source: str
    root: str


async def ingest(
    library: Library,
    paths: Sequence[Path],
    *,
    project: str = "default",
    collection: str = "default",
    attributes: Attributes = NONE,
    progress: Progress | None = None,
) -> IngestReport:
    """Make the collection hold what stands under `paths` now. Doing it again changes nothing and costs no version.

    Every document gets `attributes`, beside those that it names itself and in place of its own of the same name.
    A document that was read under one of these folders before and is gone is removed; those of other folders stay.
    Raises `Transient` if the library cannot be reached, `Refused` if there is no such project.
    """
    shelf, tally = Shelf(library, project, collection, attributes), Tally()
    files, roots = await asyncio.to_thread(_found, paths, tally)
    known, batch = await shelf.known(), Batch(shelf)
    for number, file in enumerate(files, 1):
        document = await asyncio.to_thread(_read, file, known.get(file.source), attributes, tally)
        if document is not None:
            await batch.add(document)
        if progress is not None:
            progress(number, len(files), file.source)
    await batch.flush()
    gone = [source for source, was in known.items() if was.root in roots and source not in tally.kept]
    return await finish(shelf, gone, tally)


def _read(file: File, known: Known | None, given: Attributes, tally: Tally) -> Document | None:
    """The document if it has to be stored."""
    try:
        data = read_bytes(file.path)
        if tally.is_unchanged(data, file.source, file.root, known, given):
            return None
        if known is not None and known.root != file.root and _still_there(known.root, file.source):
            # Two folders of one name: to put this one in place of the other would lose a document without a word.
            raise Skipped(f"another document is called {file.source} already, from {known.root}")
        document = read(data, file.source, file.root, given)
    except Skipped as reason:
        tally.skip(str(file.path), file.source, reason)
        return None
    tally.took(file.source, known)
    return document


def _still_there(root: str, source: str) -> bool:
    """Whether the file that a document was read from is where it was; a folder that was moved left nothing behind."""
    return (Path(root).parent / source).exists()


def _found(paths: Sequence[Path], tally: Tally) -> tuple[list[File], set[str]]:
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


def _walked(root: Path, tally: Tally) -> Iterator[File]:
    if not root.is_dir():
        yield from _accepted(root, root, tally, named=True)
        return
    # Links to folders are not followed: what they lead to inside the root is found there anyway.
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield from _accepted(Path(folder) / name, root, tally, named=False)


def _accepted(path: Path, root: Path, tally: Tally, *, named: bool) -> Iterator[File]:
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
