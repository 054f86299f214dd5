"""Cases as files: one JSON object, indented, in the order of the format; recorded values in their own order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from agent.cases.case import FORMAT, Case
from agent.checks.parsing import is_deeper
from agent.inert import inert

MOST_BYTES = 20_000_000
MOST_LEVELS = 200
"""More than any body, schema or result of a tool has; what is deeper cannot be written again."""
SUFFIX = ".case.json"

UPCASTS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""What turns a file of an older format into one of the next; a release reads every format there ever was."""


class NotACase(ValueError):
    """The file is no case, or one that only a newer release reads; the message is one sentence."""


class TooLarge(ValueError):
    """The case has more bytes than it may have."""


def dumped(case: Case, most_bytes: int = MOST_BYTES) -> bytes:
    """The file. Raises `TooLarge`."""
    text = inert(orjson.dumps(_lean(case), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if len(text) > most_bytes:
        raise TooLarge(
            f"the case of {case.run.id} has {_mb(len(text))} MB and may have {_mb(most_bytes)}: it holds every prompt, "
            "answer and passage whole; allow more with --most-mb"
        )
    return text


def written(case: Case, path: Path, most_bytes: int = MOST_BYTES) -> int:
    """Write the file, readable by its owner only; how many bytes it has. Raises `TooLarge`, `OSError`."""
    text = dumped(case, most_bytes)
    path.touch(mode=0o600)
    path.write_bytes(text)
    return len(text)


def read(path: Path) -> Case:
    """The case in a file. Raises `NotACase`."""
    try:
        return loads(path.read_bytes(), str(path))
    except OSError as error:
        raise NotACase(f"{path} cannot be read: {error.strerror}") from error


def loads(text: bytes, where: str = "the file") -> Case:
    """The case that was dumped, by this release or any before it. Raises `NotACase` naming `where`."""
    try:
        value = orjson.loads(text)
        version = value["cuelight_case"]
    except (orjson.JSONDecodeError, KeyError, TypeError, RecursionError):
        raise NotACase(f"{where} is no case: it is no JSON object with `cuelight_case`") from None
    if not isinstance(version, int) or not 1 <= version <= FORMAT:
        raise NotACase(f"{where} is a case of format {version!r}; this release reads up to {FORMAT}")
    if is_deeper(value, MOST_LEVELS):
        raise NotACase(f"{where} is no case: it is nested deeper than {MOST_LEVELS} levels")
    for older in range(version, FORMAT):
        value = UPCASTS[older](value)
    try:
        return Case.model_validate({**value, "cuelight_case": FORMAT})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise NotACase(f"{where} is no case: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _lean(case: Case) -> dict[str, Any]:
    """Without what says nothing: the file is for people too."""
    return {"cuelight_case": FORMAT} | case.model_dump(mode="json", exclude_defaults=True)


def _mb(count: int) -> str:
    return f"{count / 1e6:.3g}"
