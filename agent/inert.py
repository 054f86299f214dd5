"""JSON that nothing which shows it obeys: what controls a terminal, or turns a line around, is escaped."""

from __future__ import annotations

import re

CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Beyond those that JSON escapes anyway: DEL and C1, marks of direction, separators of lines and paragraphs."""


def inert(json: bytes) -> bytes:
    """JSON text with these characters as `\\uXXXX`. In valid JSON they stand within strings only."""
    text = json.decode()
    if text.isascii() and "\x7f" not in text:
        return json
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
