"""JSON with slips of the pen: mended where nothing has to be guessed, and never where it was cut off.

A library mends, and what it made is believed only if it holds the very same characters in the same order. It would
also complete half a text, take `12 apples` for 12 and swallow a name without its quotes: all that changes characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from agent.checks.mending import Mended, bare, is_json

MOST_CHARS = 8_000
"""Of what is mended. The library takes quadratic time for some texts: two seconds for the worst known of this size."""
MOST_BRACKETS = 64
"""Open at the same time."""
LENIENT = "lenient"
QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"))

_UNQUOTED = re.compile(r"""[\s,"'“”‘’\\]+""")
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LIKE_STRUCTURE = re.compile(r"""["'“”]\s*[:,+]\s*["'“”{\[]|["'“”]\s*[}\]]\s*,""")
_NAME = re.compile(r"[^\s,:{}\[\]\"'“”\\][^,:{}\[\]\"'“”\\\n]*")


def lenient(raw: str) -> Mended | None:
    """The JSON object that was meant by words which are no JSON, or None. Raises nothing.

    Mended are quotes, commas, escapes, line breaks in strings, and Python's names for true, false and null. It may
    take seconds: run it beside the loop.
    """
    found = bare(raw)
    if found is None or len(found.text) > MOST_CHARS or is_json(found.text) or not _is_whole(found.text):
        return None
    value = _repaired(found.text)
    if not isinstance(value, dict) or not value or not _is_meant(value, found.text):
        return None
    text = json.dumps(value, ensure_ascii=False)
    return Mended(text, (*found.mends, LENIENT)) if is_json(text) else None


def _is_whole(text: str) -> bool:
    """Whether a text is one object by its brackets, those in strings included."""
    if not text.startswith("{") or not text.endswith("}"):
        return False
    ahead: list[str] = []
    for place, char in enumerate(text):
        if char in "{[":
            ahead.append("}" if char == "{" else "]")
        elif char in "}]" and (not ahead or ahead.pop() != char or (not ahead and place < len(text) - 1)):
            return False
        if len(ahead) > MOST_BRACKETS:
            return False
    return not ahead


def _repaired(text: str) -> Any:
    import json_repair  # it takes long to import, and few processes ever need it

    try:
        return json_repair.loads(text, strict=True, skip_json_loads=True)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _is_meant(value: dict[str, Any], text: str) -> bool:
    """Whether a value says what the text says, letter for letter, and each of its strings stood there as one."""
    said = _ESCAPED.sub(_unescaped, text)
    return _letters("".join(_written(value))) == _letters(said) and _stands_in(value, said)


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(match[2], match[2])


def _letters(text: str) -> str:
    """A text without what may be mended in it; numbers as numbers, Python's names as JSON's."""
    bare_text = _UNQUOTED.sub("", _NUMBER.sub(_plain, text)).casefold()
    return bare_text.replace("none", "null")


def _plain(match: re.Match[str]) -> str:
    return f"{Decimal(match[0]).normalize():f}" if len(match[0]) < 40 else match[0]


def _written(value: Any) -> Iterator[str]:
    """A value as JSON, but its strings as they are."""
    match value:
        case dict():
            yield "{"
            for name, inner in value.items():
                yield f"{name}:"
                yield from _written(inner)
                yield ","
            yield "}"
        case list():
            yield "["
            for inner in value:
                yield from _written(inner)
                yield ","
            yield "]"
        case str():
            yield value
        case _:
            yield json.dumps(value)


def _stands_in(value: Any, said: str) -> bool:
    """Whether all strings of a value stand in a text, in order and between quotes, which names can do without."""
    place = 0
    for string, is_name in _strings(value):
        if _LIKE_STRUCTURE.search(string) or (is_name and not _NAME.fullmatch(string)):
            return False
        quoted = [f"{before}{string}{after}" for before, after in QUOTES]
        found = [
            (at, len(form)) for form in (*quoted, *([string] if is_name else [])) if (at := said.find(form, place)) >= 0
        ]
        if not found:
            return False
        place = sum(min(found))
    return True


def _strings(value: Any) -> Iterator[tuple[str, bool]]:
    """The strings of a value in order, and whether each is a name."""
    match value:
        case dict():
            for name, inner in value.items():
                yield name, True
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)
        case str():
            yield value, False
