"""Pseudonyms of the same shape: as long as what they stand for, a letter for a letter and a digit for a digit.

Places in a text, quotes, numbers and case foldings hold with them as they held before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import shake_256
from string import ascii_lowercase

MARK = "…"
"""Where messages are cut."""
NO_ZERO = tuple("123456789")
LEAST_CUT = 4
"""So much of a name still gives it away where a message was cut in it."""


def pseudonym(name: str, salt: bytes) -> str:
    """Another text of the same shape. Without the salt nobody can try which name it stands for."""
    for number in range(1_000):
        drawn = shake_256(b"%b/%d/%b" % (salt, number, name.lower().encode())).digest(len(name))
        made = "".join(map(_other, name, drawn))
        if name[:1] in NO_ZERO and made[0] == "0":
            continue  # in JSON a number begins with no zero
        if made != name:
            return made
    return name  # it has neither letters nor digits


def _other(letter: str, drawn: int) -> str:
    if letter.isdigit():
        return str(drawn % 10)
    if not letter.isalpha():
        return letter
    made = ascii_lowercase[drawn % 26]
    return made.upper() if letter.isupper() else made


class Pseudonyms:
    """Replaces names wherever they stand, also within JSON that stands in a text, and where a message was cut."""

    def __init__(self, names: Iterable[str], salt: bytes) -> None:
        self.known: Mapping[str, str] = {name: pseudonym(name, salt) for name in names}
        self._table = dict(self.known)
        for name, made in self.known.items():
            for ascii_only in (True, False):
                escaped = json.dumps(name, ensure_ascii=ascii_only)[1:-1]
                self._table[escaped] = json.dumps(made, ensure_ascii=ascii_only)[1:-1]
        longest_first = sorted(self._table, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        text = self._pattern.sub(lambda found: self._table[found[0]], text)
        return self._cut(text) if MARK in text or len(text) >= 2000 else text

    def _cut(self, text: str) -> str:
        for name, made in self.known.items():
            for size in range(len(name) - 1, LEAST_CUT - 1, -1):
                text = text.replace(name[:size] + MARK, made[:size] + MARK)
                if text.endswith(name[:size]):
                    text = text[:-size] + made[:size]
        return text
