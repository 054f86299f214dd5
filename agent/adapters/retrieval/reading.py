"""Files into text: Markdown, plain text, HTML and PDF. Whatever a file holds, it is read or skipped with a reason."""

from __future__ import annotations

import codecs
import io
import logging
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from bs4.dammit import EncodingDetector
from pypdf import PdfReader

from agent.adapters.retrieval.attributes import merged, written
from agent.adapters.retrieval.html import read_html
from agent.adapters.retrieval.markdown import read_markdown
from agent.adapters.retrieval.records import Document, clean
from agent.adapters.retrieval.splitting import Section, Span, paragraphs, split
from agent.adapters.retrieval.text import Text, one_line
from agent.filters import Attributes

READING = "2"
"""Goes up when files are read or split in another way, so that unchanged files are then read again."""
MOST_BYTES = 20_000_000
NONE: Attributes = {}
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

# What it warns about either does no harm or comes back as an error.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


class Skipped(Exception):
    """The file cannot be read; the message says why, for the person who named it."""


class Empty(Skipped):
    """The file was read and holds no text."""


def read_bytes(path: Path) -> bytes:
    """Raises `Skipped` if the file is too large or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Skipped(error.strerror or type(error).__name__) from error
    if len(data) > MOST_BYTES:
        raise Skipped(f"larger than {MOST_BYTES // 1_000_000} MB")
    return data


def content_hash(data: bytes, given: Attributes = NONE) -> str:
    """Equal for files that would be read to the same document."""
    more = written(given).encode() + b"\x00" if given else b""
    return sha256(READING.encode() + b"\x00" + more + data).hexdigest()


def read(data: bytes, source: str, root: str, given: Attributes = NONE) -> Document:
    """The document in a file, cut into passages. `source` names the file, and its suffix says how to read it.

    Its attributes are those that were `given` for it, and more that it names itself. Raises `Skipped` with a reason,
    `Empty` where there is no text.
    """
    path = Path(source)
    try:
        text = READERS[path.suffix.lower()](data)
        pieces = split(text.text, text.sections) or split(text.text, [Section("", paragraphs(text.text))])
    except Skipped:
        raise
    except Exception as error:
        # Strangers' files find every hole of every parser; one of them must not end the reading of the others.
        raise Skipped(f"cannot be read: {one_line(str(error)) or type(error).__name__}") from error
    if not pieces:
        raise Empty("no text in it")
    title = one_line(text.title) or path.name
    attributes, url = merged(given, text.attributes), _web_address(text.url)
    return Document(clean(source), clean(root), title, content_hash(data, given), pieces, url, attributes)


def _web_address(url: str | None) -> str | None:
    """The address if a reader can safely open it."""
    try:
        parts = urlsplit(url or "")
        plain = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return None
    return url if plain and url and len(url) <= 2_000 and url.isprintable() and " " not in url else None


def _decoded(data: bytes) -> str:
    """Raises `Skipped` if it is not UTF-8, nor UTF-16 that says so."""
    for bom, encoding in BOMS:
        if data.startswith(bom):
            return _as(data[len(bom) :], encoding)
    return _as(data, "utf-8")


def _as(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise Skipped(f"not {encoding.upper()} text") from None
    return clean(text.replace("\r\n", "\n").replace("\r", "\n"))


def _plain(data: bytes) -> Text:
    text = _decoded(data)
    return Text(text, [Section("", paragraphs(text))])


def _markdown(data: bytes) -> Text:
    return read_markdown(_decoded(data))


def _html(data: bytes) -> Text:
    try:
        text = _decoded(data)
    except Skipped:
        declared = EncodingDetector.find_declared_encoding(data, is_html=True)
        if declared is None:
            raise
        text = _as(data, declared)
    return read_html(text)


def _pdf(data: bytes) -> Text:
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Skipped("protected by a password")
    pages = [clean(page.extract_text()) for page in reader.pages]
    text = "\n\n".join(pages)
    sections, start = [], 0
    for number, page in enumerate(pages, 1):
        end = start + len(page)
        sections.append(Section(f"p. {number}", paragraphs(text, Span(start, end))))
        start = end + 2
    title = reader.metadata.title if reader.metadata else None
    return Text(text, sections, title=clean(title or ""))


READERS: Mapping[str, Callable[[bytes], Text]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _plain,
    ".text": _plain,
    ".rst": _plain,
    ".html": _html,
    ".htm": _html,
    ".xhtml": _html,
    ".pdf": _pdf,
}
"""How a file is read, by its suffix."""
