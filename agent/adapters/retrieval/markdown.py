"""Markdown into sections. Passages stay raw Markdown, so that a quote stands in the file as it is quoted."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from agent.adapters.retrieval.attributes import readable
from agent.adapters.retrieval.splitting import Block, Section, Span
from agent.adapters.retrieval.text import Headings, Text

FRONT_MATTER_CHARS = 64_000
BLOCKS = MarkdownIt("commonmark").enable("table").disable("inline")
INLINE = MarkdownIt("commonmark")
BY_LINES = {"fence", "code_block", "html_block", "table_open", "bullet_list_open", "ordered_list_open"}

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def read_markdown(text: str) -> Text:
    """Sections by heading; comments and rules end a passage and are left out.

    Front matter gives `title`, `url` and attributes.
    """
    found = _FRONT_MATTER.match(text, 0, FRONT_MATTER_CHARS)
    about = _front_matter(found[1]) if found else {}
    begins = found.end() if found else 0
    headings = Headings()
    sections = _sections(text, begins, headings)
    title, url = _text(about, "title"), _text(about, "url")
    attributes = readable({key: value for key, value in about.items() if key not in ("title", "url")})
    return Text(text, sections, title=title or headings.first, url=url, attributes=attributes)


def _front_matter(text: str) -> dict[Any, Any]:
    try:
        about: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def _text(about: dict[Any, Any], key: str) -> str | None:
    value = about.get(key)
    return value if isinstance(value, str) else None


def _sections(text: str, begins: int, headings: Headings) -> list[Section]:
    starts = [begins, *(match.end() for match in re.finditer("\n", text[begins:]))]
    starts[1:] = [begins + start for start in starts[1:]]
    sections: list[tuple[str, list[Block]]] = [("", [])]
    for token, following in pairwise([*BLOCKS.parse(text[begins:]), None]):
        if token is None or token.level or not token.map:
            continue
        if token.type == "heading_open" and following is not None:
            sections.append((headings.enter(int(token.tag[1]), _plain(following.content)), []))
        elif token.type == "hr" or _is_comment(token):
            sections.append((headings.path, []))
        else:
            sections[-1][1].append(Block(_span(token.map, starts, len(text)), token.type in BY_LINES))
    return [Section(heading, blocks) for heading, blocks in sections if blocks]


def _span(lines: list[int], starts: list[int], end: int) -> Span:
    first, last = lines
    return Span(starts[first], starts[last] if last < len(starts) else end)


def _is_comment(token: Token) -> bool:
    content = token.content.strip()
    return token.type == "html_block" and content.startswith("<!--") and content.endswith("-->")


def _plain(heading: str) -> str:
    """A heading as it reads, without marks and link targets."""
    children = INLINE.parseInline(heading[:500])[0].children or []
    return "".join(" " if child.type.endswith("break") else child.content for child in children)
