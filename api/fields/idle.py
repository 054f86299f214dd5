"""Fields that do nothing yet: a value that asks for nothing is accepted, any other is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from api.errors import unknown, unsupported

IDLE: Mapping[str, tuple[Any, ...]] = {
    "access_programs": (),
    "background_options": (),
    "context_management": ([],),
    "conversation": (),
    "image": (),
    "moderation": (),
    "prompt": (),
    "prompt_cache_options": (),
    "prompt_cache_retention": (),
}
"""Fields of the Responses API that are not supported yet, with the values that ask for nothing; null always does."""


def refuse_others(
    body: Mapping[str, Any], supported: Iterable[str], idle: Mapping[str, tuple[Any, ...]] = IDLE
) -> None:
    """Raises `ApiError` 400 for a field that nobody knows, and for an idle one that asks for something."""
    for name, value in body.items():
        if name in supported:
            continue
        if name not in idle:
            raise unknown(name)
        if not asks_nothing(value, idle[name]):
            raise unsupported(name, f"{name!r} with anything but its default" if idle[name] else repr(name))


def asks_nothing(value: Any, idle: Iterable[Any]) -> bool:
    """Whether a value is null or one of `idle`, empty settings inside it left out."""
    bare = _bare(value)
    # True == 1 in Python, and it is not the same in JSON.
    return value is None or any(bare == one and isinstance(bare, bool) is isinstance(one, bool) for one in idle)


def _bare(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _bare(inner) for key, inner in value.items() if inner is not None}
