"""What reading files and reading pages have in common: what is new or changed is stored, what is gone is removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.adapters.retrieval.library import Library
from agent.adapters.retrieval.reading import Empty, Skipped, content_hash
from agent.adapters.retrieval.records import Document, Known, clean
from agent.filters import Attributes

BATCH_DOCUMENTS = 100
BATCH_CHARS = 2_000_000
"""Each batch is one transaction and one version: an ingest that breaks off keeps what it has done."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where documents are put. All of them get `attributes`, in place of their own of the same name."""

    library: Library
    project: str = "default"
    collection: str = "default"
    attributes: Attributes = field(default_factory=dict)

    async def known(self) -> Mapping[str, Known]:
        """What stands there, by source. Raises `Transient`."""
        return await self.library.documents(clean(self.project), clean(self.collection))


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Documents added, unchanged, replaced and removed; passages in the collection now, and its version.

    `skipped` holds paths and addresses as they were found, each with the reason.
    """

    added: int
    unchanged: int
    replaced: int
    removed: int
    passages: int
    skipped: Sequence[tuple[str, str]]
    version: int

    @property
    def nothing(self) -> bool:
        """Whether nothing could be read of all that was named."""
        return bool(self.skipped) and not (self.added or self.unchanged or self.replaced)


@dataclass(slots=True)
class Tally:
    """What has been seen of the documents of this reading."""

    added: int = 0
    unchanged: int = 0
    replaced: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    """Sources that are still there, read or not: one that cannot be read now keeps what was read of it before."""
    moved: dict[str, str] = field(default_factory=dict)

    def skip(self, name: str, source: str, reason: Skipped) -> None:
        """Note what cannot be read. What was read and holds nothing any more is not kept."""
        self.skipped.append((clean(name), str(reason)))
        if not isinstance(reason, Empty):
            self.kept.add(source)

    def is_unchanged(self, data: bytes, source: str, root: str, known: Known | None, given: Attributes) -> bool:
        """Whether this was read before; it may have been found under another root."""
        if known is None or known.content_hash != content_hash(data, given):
            return False
        self.unchanged += 1
        self.kept.add(source)
        if known.root != root:
            self.moved[source] = root
        return True

    def took(self, source: str, known: Known | None) -> None:
        """Note a document that is to be stored."""
        self.kept.add(source)
        self.added += known is None
        self.replaced += known is not None


class Batch:
    """Documents on their way into the library."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._documents: list[Document] = []

    async def add(self, document: Document) -> None:
        """Raises `Transient`, and `Refused` if there is no such project."""
        self._documents.append(document)
        chars = sum(len(piece.text) for document in self._documents for piece in document.pieces)
        if len(self._documents) >= BATCH_DOCUMENTS or chars >= BATCH_CHARS:
            await self.flush()

    async def flush(self) -> None:
        """Store what has been added. Raises as `add`."""
        if self._documents:
            shelf = self._shelf
            await shelf.library.put(clean(shelf.project), clean(shelf.collection), self._documents)
            self._documents = []


async def finish(shelf: Shelf, gone: Sequence[str], tally: Tally) -> IngestReport:
    """Move what was found elsewhere, remove what is gone, and say what came of it all. Raises `Transient`."""
    library, project, collection = shelf.library, clean(shelf.project), clean(shelf.collection)
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
