"""A document as text with its structure: what every reader makes of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.adapters.retrieval.splitting import Section
from agent.filters import Attributes

TITLE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Text:
    """The text that offsets count in, and its sections. `title` is empty if the document names none."""

    text: str
    sections: Sequence[Section]
    title: str = ""
    url: str | None = None
    attributes: Attributes = field(default_factory=dict)


class Headings:
    """The headings above the place that a reader has come to."""

    def __init__(self) -> None:
        self.first = ""
        self._open: list[tuple[int, str]] = []

    @property
    def path(self) -> str:
        return one_line(" › ".join(heading for _, heading in self._open))

    def enter(self, level: int, heading: str) -> str:
        """The path under a new heading of `level` (1 is the highest)."""
        heading = one_line(heading)
        self.first = self.first or heading
        self._open = [*((above, text) for above, text in self._open if above < level), (level, heading)]
        return self.path


def one_line(text: str) -> str:
    return " ".join(text.split())[:TITLE_CHARS].rstrip()
