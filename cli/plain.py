"""Text from events and documents on a terminal: it is hostile until it went through here."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from rich.text import Text

ELLIPSIS = "…"
_BREAKS = re.compile(r"[\t\n\r\f\v\u2028\u2029]+")


def plain(value: object, most: int | None = None) -> str:
    """One line without anything a terminal obeys: control, bidirectional and invisible characters become escapes.

    At most `most` characters, then an ellipsis. It may still hold rich markup: print it as `Text`, see `text`.
    """
    line = _BREAKS.sub(" ", str(value))
    cut = line if most is None or len(line) <= most else line[: most - 1] + ELLIPSIS
    return "".join(_shown(character) for character in cut)


def paragraphs(value: str) -> str:
    """As `plain`, with the line breaks kept."""
    return "\n".join(plain(line) for line in value.splitlines())


def text(value: object, style: str = "", most: int | None = None) -> Text:
    """Hostile text for rich: markup in it is shown and does nothing."""
    return Text(plain(value, most), style=style)


def usd(value: Decimal | None) -> str:
    """An amount of money; None is one that nobody knows."""
    return "an unknown sum" if value is None else f"{value.normalize():f} USD"


def _shown(character: str) -> str:
    # Cc: controls and escape sequences; Cf: bidirectional overrides; Cs, Co, Cn: what no font and no codec knows.
    if unicodedata.category(character)[0] != "C":
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
