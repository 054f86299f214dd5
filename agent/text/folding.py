"""One spelling for all spellings of a character, and the shape of a text that the word pattern reads."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ALIKE = str.maketrans(
    {"ı": "i", "’": "'", "‘": "'", "٫": ".", "٬": ",", "٪": "%", "™": " ", "℠": " "}
    | dict.fromkeys("\u2010\u2011\u2012–−", "-")
)
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u3005-\u3007\u3040-\u312f\u31a0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua980-\ua9df\uf900-\ufaff\U00017000-\U00018cff\U00020000-\U0003ffff]"
)
"""Scripts written without blanks between words: Thai, Lao, Burmese, Khmer, kana, Han, Yi and their like."""


def fold(text: str) -> tuple[str, range | list[int]]:
    """The text in NFKC and folded case but decomposed, and for each of its characters the place of its origin.

    Decomposed, because that is done character by character: so every place is known. Words are composed once cut out.
    """
    if text.isascii():
        return text.lower(), range(len(text))
    pieces = list(map(_fold, text))
    return "".join(pieces), [place for place, piece in enumerate(pieces) for _ in piece]


@lru_cache(maxsize=1 << 16)
def _fold(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf" or _INVISIBLE.match(char):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(char))
    raised_sign = category == "Sm" and unicodedata.decomposition(char).startswith("<su")
    if category == "No" or raised_sign:  # NFKC would turn 10² into 102, and 1½ into 11⁄2
        return char
    alike = char.translate(_ALIKE)
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", alike).casefold()).translate(_ALIKE)


def shape(folded: str) -> str:
    r"""The text drawn with one ASCII character for each of its own, so that a small pattern can read any script.

    L letter, M mark, D digit, N other number, S a letter that is a word by itself, $ currency, * mathematical sign,
    _ whatever separates words. Blank, line feed and `. , : / ^ ' - + # < > = ~ %` stand for themselves.
    """
    return folded.translate(_ASCII_KINDS) if folded.isascii() else "".join(map(_kind, folded))


@lru_cache(maxsize=1 << 16)
def _kind(char: str) -> str:
    if char in ".,:/^'-+#<>=~%\n ":
        return char
    category = unicodedata.category(char)
    if category[0] == "L":
        return "S" if _UNSPACED.match(char) else "L"
    if category[0] == "M":
        return "M"
    kinds = {"Nd": "D", "Nl": "N", "No": "N", "Sc": "$", "Zs": " ", "Cc": " " if char == "\t" else "_"}
    return "*" if category == "Sm" and char > "\x7f" else kinds.get(category, "_")


_ASCII_KINDS = {place: _kind(chr(place)) for place in range(128)}
