"""How many tokens a text has, roughly: no two models cut texts in the same way, and their own counters are not here."""

from __future__ import annotations

from math import ceil

ASCII_PER_TOKEN = 4.0
OTHERS_PER_TOKEN = 1.5
"""Characters beyond ASCII: between the about one of a Chinese sign and the about three of an accented word."""


def estimated_tokens(text: str) -> int:
    """An estimate in tokens, rounded up; most tokenizers of today are within a third of it."""
    ascii_chars = len(text) if text.isascii() else sum(map(str.isascii, text))
    return ceil(ascii_chars / ASCII_PER_TOKEN + (len(text) - ascii_chars) / OTHERS_PER_TOKEN)
