"""Attributes and conditions as they are typed: `key=value`."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from agent.filters import KEY, MOST_CHARS, Attributes, Filter, Scalar, equal, is_scalar
from cli.exits import Exit, leave
from cli.plain import plain


def given(words: Sequence[str]) -> Attributes:
    """What words say; a key that is given again has several values. Ends the process for a word that says nothing."""
    found: dict[str, tuple[Scalar, ...]] = {}
    for word in words:
        key, value = _pair(word)
        found[key] = (*found.get(key, ()), value)
    return found


def condition(words: Sequence[str]) -> Filter | None:
    """The filter that all of these hold; a key that is given again may have any of its values."""
    return equal({key: values if len(values) > 1 else values[0] for key, values in given(words).items()})


def _pair(word: str) -> tuple[str, Scalar]:
    key, sign, written = word.partition("=")
    value = _value(written)
    if not (sign and KEY.fullmatch(key)):
        leave(Exit.USAGE, f"{plain(word, 80)!r} is no attribute: write key=value, with a key of a-z, 0-9, _, . and -")
    if not is_scalar(value):
        leave(Exit.USAGE, f"the attribute {key} is longer than {MOST_CHARS} characters, or a number too great")
    return key, value


def _value(written: str) -> Scalar:
    """`3`, `true` and `"3"` as in JSON; whatever JSON does not know is a text."""
    try:
        value = orjson.loads(written)
    except orjson.JSONDecodeError:
        return written
    return value if isinstance(value, str | bool | int | float) else written
