"""HTML into the text that its reader sees, with its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, Tag

from agent.adapters.retrieval.splitting import Block, Section, Span
from agent.adapters.retrieval.text import Headings, Text

UNSEEN = {
    "audio", "canvas", "head", "iframe", "math", "nav", "noscript", "object", "script", "select", "style", "svg",
    "template", "textarea", "title", "video",
}  # fmt: skip
BREAKS = {
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html",
    "li", "main", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
}  # fmt: skip
KEPT_TOGETHER = {"dl", "ol", "pre", "table", "ul"}
"""Their lines are one block: the outermost counts."""
LINE_BREAK = "\x00"
"""Stands for `<br>` until white space is folded; the text itself holds no NUL any more."""

_HEADING = re.compile(r"h[1-6]")
_PROLOG = re.compile(r"\s*<\?xml[^>]*>")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def read_html(text: str) -> Text:
    """Sections by heading. What is not displayed is left out, and so are menus; bars part the cells of a row."""
    # A prolog, or a text without a line end or tag, makes the parser warn that it is being misused.
    prolog = _PROLOG.match(text)
    soup = BeautifulSoup("\n" + text[prolog.end() if prolog else 0 :], "lxml")
    title, url = _title(soup), _canonical(soup)
    headings = Headings()
    text, sections = _sections(soup, headings)
    return Text(text, sections, title=title or headings.first, url=url)


def _title(soup: BeautifulSoup) -> str:
    return soup.title.get_text() if soup.title else ""


def _canonical(soup: BeautifulSoup) -> str | None:
    link = soup.find("link", rel="canonical", href=True)
    return str(link["href"]).strip() if isinstance(link, Tag) else None


def _hidden(tag: Tag) -> bool:
    if tag.name in UNSEEN or tag.has_attr("hidden") or tag.get("aria-hidden") == "true":
        return True
    return bool(_HIDING.search(str(tag.get("style", ""))))


def _sections(soup: BeautifulSoup, headings: Headings) -> tuple[str, list[Section]]:
    sections: list[tuple[str, list[Block]]] = [("", [])]
    parts: list[str] = []
    length = 0
    for owner, lines in _groups(soup):
        content = "\n".join(lines)
        if _HEADING.fullmatch(owner.name):
            sections.append((headings.enter(int(owner.name[1]), content), []))
        else:
            span = Span(length, length + len(content))
            sections[-1][1].append(Block(span, lines=owner.name in KEPT_TOGETHER))
        parts.append(content)
        length += len(content) + 2
    return "\n\n".join(parts), [Section(heading, blocks) for heading, blocks in sections if blocks]


def _groups(soup: BeautifulSoup) -> Iterator[tuple[Tag, list[str]]]:
    """Paragraphs, whole lists, tables and preformatted texts, as lines."""
    for _, group in groupby(_lines(soup), key=lambda line: id(line[0])):
        lines = list(group)
        yield lines[0][0], [text for _, text in lines]


def _lines(soup: BeautifulSoup) -> Iterator[tuple[Tag, str]]:
    """Each stretch of text that no block element interrupts, with the element that it is kept together with."""
    for _, group in groupby(_strings(soup), key=lambda found: id(found[0])):
        found = list(group)
        block, owner, _ = found[0]
        text = _folded("".join(string for _, _, string in found), verbatim=block.name == "pre")
        if text.strip():
            yield owner, text


def _strings(soup: BeautifulSoup) -> Iterator[tuple[Tag, Tag, str]]:
    """The innermost block around each string and the outermost list or table, else the block again.

    Pages are nested as deep as their authors like: no recursion, and no looking up from every string.
    """
    pending: list[tuple[PageElement, Tag, Tag | None]] = [(soup, soup, None)]
    while pending:
        node, block, owner = pending.pop()
        if isinstance(node, Tag):
            if _hidden(node):
                continue
            block = node if node.name in BREAKS else block
            owner = node if owner is None and node.name in KEPT_TOGETHER else owner
            pending.extend((child, block, owner) for child in reversed(_contents(node)))
        elif type(node) is NavigableString:
            yield block, block if owner is None or _HEADING.fullmatch(block.name) else owner, node


def _contents(tag: Tag) -> Sequence[PageElement]:
    """What a tag holds, a line break or the bars between cells added. The tree stays: changing large ones is slow."""
    if tag.name == "br":
        return [NavigableString(LINE_BREAK)]
    if tag.name != "tr":
        return tag.contents
    cells = [child for child in tag.contents if isinstance(child, Tag)]
    return [part for cell in cells for part in (NavigableString(" | "), cell)][1:]


def _folded(text: str, *, verbatim: bool) -> str:
    if verbatim:
        return text.replace(LINE_BREAK, "\n").strip("\n")
    return "\n".join(" ".join(line.split()) for line in text.split(LINE_BREAK)).strip()
