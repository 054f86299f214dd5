"""What an endpoint says is wrong, out of the many shapes in which endpoints say it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

EXCERPT_CHARS = 200
_SHORTEST_SECRET = 8
_READ_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Complaint:
    """An endpoint's words about what was wrong; an empty string for what it did not say."""

    message: str
    code: str = ""
    type: str = ""
    param: str = ""

    def mentions(self, *words: str) -> bool:
        """Whether one of the lower-case `words` occurs in the beginning of any part."""
        said = " ".join((self.param, self.code, self.type, self.message[:_READ_CHARS])).lower()
        return any(word in said for word in words)

    def names(self, field: str) -> bool:
        """Whether the complaint is about this field: it stands as the parameter, or in the message as a name does."""
        if self.param.partition(".")[0] == field:
            return True
        quoted = rf"(?:[\"'`]{re.escape(field)}[\"'`])"
        pattern = rf"{quoted}|\b{re.escape(field)}\b" if "_" in field else quoted
        return re.search(pattern, self.message[:_READ_CHARS]) is not None


def complaint(body: bytes) -> Complaint:
    """Reads `{"error": {...}}`, `{"error": "..."}`, `[{"error": ...}]`, `{"message": ...}`, `{"detail": ...}`, text."""
    try:
        return _of(json.loads(body))
    except (ValueError, RecursionError):
        return Complaint(body[: 4 * _READ_CHARS].decode("utf-8", "replace"))


def _of(data: Any) -> Complaint:
    if isinstance(data, list) and data:
        data = data[0]
    if isinstance(data, dict) and data.get("error"):
        data = data["error"]
    if not isinstance(data, dict):
        return Complaint(_text(data))
    message = next((data[key] for key in ("message", "detail") if data.get(key)), data)
    return Complaint(_text(message), _text(data.get("code")), _text(data.get("type")), _text(data.get("param")))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def tells(secret: str, *texts: str) -> bool:
    """Whether a key stands in one of these texts: an endpoint that shows what it was sent may be asked to."""
    return len(secret) >= _SHORTEST_SECRET and any(secret in text for text in texts)


def excerpt(text: str, secret: str = "", limit: int = EXCERPT_CHARS) -> str:
    """At most `limit` characters on one line: without `secret`, control characters and other unprintable ones."""
    if len(secret) >= _SHORTEST_SECRET:
        text = text.replace(secret, "[key]")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:limit]
