"""Text in pieces: the same text gives the same ones, on every machine and in every release."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_CHARS = 64

# White space of ASCII only: what else counts as such depends on the Unicode version of the Python that runs this.
_WORDS = re.compile(r"[^ \t\n\r]{1,64}[ \t\n\r]{0,64}|[ \t\n\r]{1,64}")


def pieces(text: str) -> Iterator[str]:
    """Pieces of whole words, about `MOST_CHARS` characters long; joined they are `text`. A longer word is cut."""
    held = ""
    for word in _WORDS.findall(text):
        if held and len(held) + len(word) > MOST_CHARS:
            yield held
            held = ""
        held += word
    if held:
        yield held
