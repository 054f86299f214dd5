"""What may be taken off a model's words before they are read: it costs nothing and guesses nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import orjson


class Mended(NamedTuple):
    """A text, and what was done to get it, in order; nothing where the words are as they were."""

    text: str
    mends: tuple[str, ...] = ()


THOUGHTS, FENCE, PROSE = "thoughts", "fence", "prose"
"""What was taken off: thoughts before the answer, a code fence, words around the one object."""


def unwrapped(raw: str) -> Mended:
    """The JSON that stands in a model's words, without thoughts, a code fence or prose around it.

    The words as they are if they are JSON, or if what stands in them is none either.
    """
    return next((reading for reading in _readings(raw) if is_json(reading.text)), Mended(raw))


def bare(raw: str) -> Mended | None:
    """What was meant to be JSON, without thoughts and a fence, whether it is any; None if thoughts have no end."""
    said, mends = _without_thoughts(raw)
    if said is None:
        return None
    fenced = _FENCED.fullmatch(said)
    return Mended(fenced[1].strip(), (*mends, FENCE)) if fenced else Mended(said, mends)


def is_json(text: str) -> bool:
    """Whether a text is one JSON value as it stands."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


_FENCED = re.compile(r"```[\w-]*[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


def _readings(raw: str) -> Iterator[Mended]:
    """What may be the JSON that was meant, best first."""
    yield Mended(raw)
    said, mends = _without_thoughts(raw)
    if said is None:  # an object in thoughts without an end is no answer
        return
    yield Mended(said, mends)
    if fenced := _FENCED.fullmatch(said):
        yield Mended(fenced[1], (*mends, FENCE))
    objects = list(islice(_objects(said), 2))
    if len(objects) == 1:
        yield Mended(objects[0], (*mends, PROSE))


def _without_thoughts(raw: str) -> tuple[str | None, tuple[str, ...]]:
    _, end, said = raw.rpartition("</think>")
    if "<think" in said:
        return None, ()
    return said.strip(), (THOUGHTS,) if end else ()


# A string without an end runs to the end of the text: trying its other quotes as starts would take quadratic time.
_IN_OBJECT = re.compile(r'"(?:[^"\\]|\\.?)*+(?:"|\Z)|[{}]', re.DOTALL)


def _objects(text: str) -> Iterator[str]:
    """The balanced top-level objects of a text, up to the first one without an end."""
    end: int | None = 0
    while end is not None and (start := text.find("{", end)) >= 0:
        end = _object_end(text, start)
        if end is not None:
            yield text[start:end]


def _object_end(text: str, start: int) -> int | None:
    depth = 0
    for match in _IN_OBJECT.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return None
