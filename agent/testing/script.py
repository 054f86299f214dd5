"""The world as a test wants it: scripted answers to the effects that a step asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from agent.effects import Answer, AnyEffect, Effect

Asked = TypeVar("Asked", bound=AnyEffect)
Said = BaseModel | Exception
Line = Iterable[Said] | Callable[[Any], Said]
"""Answers for the asks of one effect type, each given once and in order; or a function that answers them all."""


class Unscripted(BaseException):
    """A step asked what the script does not know.

    Like the failures of test runners it is no `Exception`: what turns every error of a step into a retry would turn
    a hole in the script into one, too.
    """


class Script:
    """An `Ask` that answers from a table by effect type, and keeps what it was asked in `asked`.

    An exception in the table is raised instead of returned. Raises `Unscripted` for an effect that has no line, or
    none left.
    """

    def __init__(self, lines: Mapping[type[AnyEffect], Line] | None = None) -> None:
        self.asked: list[AnyEffect] = []
        self._lines: dict[type[AnyEffect], deque[Said] | Callable[[Any], Said]] = {}
        for effect, line in (lines or {}).items():
            self._lines[effect] = line if callable(line) else deque(line)

    async def __call__(self, effect: Effect[Answer], /) -> Answer:
        self.asked.append(effect)
        said = self._next(effect)
        if isinstance(said, Exception):
            raise said
        if not isinstance(said, effect.answer_type):
            raise Unscripted(f"{effect.type!r} is answered by {effect.answer_type.__name__}, not by {said!r}")
        return cast(Answer, said)

    def knows(self, effect: type[AnyEffect]) -> bool:
        """Whether there is a line for this type, used up or not."""
        return effect in self._lines

    def of(self, effect: type[Asked]) -> list[Asked]:
        """What was asked of one effect type, oldest first."""
        return [asked for asked in self.asked if isinstance(asked, effect)]

    def left(self) -> Mapping[str, int]:
        """How many scripted answers nobody asked for, by the effect's type; an empty mapping once all are said."""
        unsaid = {effect.type: len(line) for effect, line in self._lines.items() if isinstance(line, deque)}
        return {name: count for name, count in unsaid.items() if count}

    def _next(self, effect: AnyEffect) -> Said:
        line = self._lines.get(type(effect))
        if line is None:
            raise Unscripted(f"the script has no line for {effect.type!r}: {effect!r}")
        if not isinstance(line, deque):
            return line(effect)
        if not line:
            raise Unscripted(f"the script has no line left for {effect.type!r}, ask {len(self.of(type(effect)))}")
        return line.popleft()
