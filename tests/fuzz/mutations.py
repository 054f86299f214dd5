"""A good body, made worse: all that becomes of it follows from the numbers that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from tests.fuzz.bodies import GOOD

Place = tuple[Any, Any]
"""A list or an object, and the index or name of something in it."""

HOSTILE: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 16, 0.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)),
    *("", " ", "0", "null", "a" * 65, "a" * 513, "a" * 6_000, "\x00", "a\x00b", "\u202e\ufeff\u2028", "😀" * 70, "é"),
    *("input[0]", "cuelight.x", "resp_1", "msg_1", "../../etc/passwd", "' or 1=1 --", "{{7*7}}", "%s%n", "\r\nx: y"),
    *("data:image/png;base64,", "https://", "http://127.0.0.1/x", "function", "message", "auto", "required", "none"),
    *([], {}, [[]], [{}], {"": ""}, [None], {"type": None}, {"type": []}, {"type": {}}, {"type": "function"}),
    *({"type": "object", "$ref": "#"}, {"$ref": "#/$defs/no"}, {"pattern": "(a+)+$"}, {"a.b": {"c[0]": 1}}),
    *([0] * 600, {str(n): n for n in range(200)}, {"role": "user", "content": "x"}, {"type": "item_reference"}),
]
NAMES = [
    *("", "x", "type", "id", "name", "role", "content", "input", "messages", "tools", "n", "stop", "prompt", "image"),
    *("\x00", "__proto__", "a.b", "a[0]", "é", "k" * 200, "cuelight.agent", "functions", "audio", "conversation"),
]
KINDS = ["application/json"] * 40 + [
    "application/json; charset=utf-16",
    "text/plain",
    "",
    "application/xml",
    "APPLICATION/JSON",
]


@dataclass(frozen=True)
class Sent:
    """One request: where it goes to, and what."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


_MOST_REPEATED = 5_000
"""Bytes; a body that is repeated twice over would fill the memory."""


def mutated(seed: int, count: int) -> Iterator[Sent]:
    """As many requests as `count`. The same seed gives the same."""
    draw = Random(seed)
    for _ in range(count):
        path, good = draw.choice(GOOD)
        body = deepcopy(good)
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            draw.choice(_CHANGES)(body, draw)
        text = orjson.dumps(body)
        if draw.random() < 0.2:
            text = draw.choice(_BREAKS)(text, draw)
        yield Sent(path, text, {"content-type": draw.choice(KINDS)})


def _places(value: Any) -> Iterator[Place]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


def _somewhere(body: Any, draw: Random) -> Place:
    return draw.choice(list(_places(body)) or [({"x": 1}, "x")])


def _replace(body: Any, draw: Random) -> None:
    inside, key = _somewhere(body, draw)
    inside[key] = deepcopy(draw.choice(HOSTILE))


def _remove(body: Any, draw: Random) -> None:
    inside, key = _somewhere(body, draw)
    del inside[key]


def _add(body: Any, draw: Random) -> None:
    inside = _somewhere(body, draw)[0]
    value = deepcopy(draw.choice(HOSTILE))
    if isinstance(inside, dict):
        inside[draw.choice(NAMES)] = value
    else:
        inside.insert(draw.randint(0, len(inside)), value)


def _rename(body: Any, draw: Random) -> None:
    inside, key = _somewhere(body, draw)
    if isinstance(inside, dict):
        inside[draw.choice(NAMES)] = inside.pop(key)


def _swap(body: Any, draw: Random) -> None:
    (inside, key), (other, name) = _somewhere(body, draw), _somewhere(body, draw)
    inside[key], other[name] = deepcopy(other[name]), deepcopy(inside[key])


def _wrap(body: Any, draw: Random) -> None:
    inside, key = _somewhere(body, draw)
    inside[key] = draw.choice(([inside[key]], {"type": inside[key]}, {"value": inside[key]}))


def _repeat(body: Any, draw: Random) -> None:
    inside, key = _somewhere(body, draw)
    times = draw.choice((2, 40, 129, 501))
    if len(orjson.dumps(inside[key])) < _MOST_REPEATED:
        inside[key] = [inside[key]] * times


def _nest(body: Any, draw: Random) -> None:
    inside, key = _somewhere(body, draw)
    for _ in range(draw.choice((3, 50, 64, 70))):
        inside[key] = {"properties": inside[key]} if draw.random() < 0.5 else [inside[key]]


def _cut(text: bytes, draw: Random) -> bytes:
    return text[: draw.randint(0, len(text))]


def _flip(text: bytes, draw: Random) -> bytes:
    place = draw.randrange(len(text))
    return text[:place] + bytes([text[place] ^ (1 << draw.randrange(8))]) + text[place + 1 :]


def _insert(text: bytes, draw: Random) -> bytes:
    place = draw.randint(0, len(text))
    return text[:place] + draw.choice(_PIECES) + text[place:]


def _whole(text: bytes, draw: Random) -> bytes:
    return draw.choice(
        (b"", b"null", b"[]", b"0", b'"x"', b"NaN", b"[" * 5_000, b'{"a":' * 5_000, b"\xef\xbb\xbf" + text)
    )


_PIECES = (
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b'"',
    b"}",
    b",",
    b"\\ud800",
    b"\\u0000",
    b"1e999",
    b"9" * 400,
    b" " * 300,
)
_CHANGES: list[Callable[[Any, Random], None]] = [
    *(_replace, _replace, _replace, _remove, _remove, _add, _add, _rename, _swap, _wrap, _repeat, _nest),
]
_BREAKS: list[Callable[[bytes, Random], bytes]] = [_cut, _flip, _flip, _insert, _insert, _whole]
