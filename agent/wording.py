"""Counts in words."""

from __future__ import annotations


def counted(count: int, what: str, many: str = "") -> str:
    """`1 run`, `3 runs`, and for irregular ones `many`."""
    return f"{count} {what if count == 1 else many or what + 's'}"
