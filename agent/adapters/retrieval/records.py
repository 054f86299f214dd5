"""The values that reading, splitting, the library and the indexes pass to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from agent.events import Passage
from agent.filters import Attributes


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage before it is stored: a slice of its document's text, and the headings above it."""

    text: str
    start: int
    end: int
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document cut into pieces. `content_hash` tells whether it is worth reading again."""

    source: str
    root: str
    title: str
    content_hash: str
    pieces: tuple[Piece, ...]
    url: str | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What is on record of a document, enough to see whether it changed or is gone."""

    root: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class State:
    """Which collection, and how far it has come. Copies with an equal state hold the same passages."""

    epoch: str
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a passage: it is to be found as `passage`, or no longer. The label is still to be given."""

    passage_id: str
    passage: Passage | None
    attributes: Attributes = field(default_factory=dict)
    """Those of its document."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A passage and its place among those of its document, from 0."""

    ordinal: int
    passage: Passage


def clean(text: str) -> str:
    """Text without NUL and lone surrogates, which PostgreSQL refuses; no character changes its place."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def document_id(project: str, collection: str, source: str) -> str:
    return f"doc_{_digest(project, collection, source)}"


def identified(project: str, collection: str, document: Document) -> Iterator[tuple[str, int, Piece]]:
    """Pieces with their passage ids and places (from 0): the id stays while the text stays, wherever it moves."""
    seen: Counter[str] = Counter()
    for ordinal, piece in enumerate(document.pieces):
        nth = seen[piece.text]
        seen[piece.text] += 1
        yield f"psg_{_digest(project, collection, document.source, piece.text, str(nth))}", ordinal, piece


def headline(title: str, heading: str) -> str:
    """What a reader is shown as a passage's title: the document's, and the headings above the passage."""
    if not heading or heading == title:
        return title
    return heading if heading.startswith(f"{title} › ") else f"{title} › {heading}"


def _digest(*parts: str) -> str:
    return sha256("\x00".join(parts).encode()).hexdigest()[:24]
