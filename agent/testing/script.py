"""The world as a test wants it: scripted answers to the effects that a step asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from agent.effects import KINDS, Answer, AnyEffect, CallModel, Effect
from agent.testing.faults import fault

Asked = TypeVar("Asked", bound=AnyEffect)
Said = BaseModel | Exception
Line = Said | Iterable[Said] | Callable[[Any], Said]
"""Answers for the asks of one effect type, each given once and in order; or a function that answers them all."""


class Unscripted(BaseException):
    """A step asked what the script does not know.

    Like the failures of test runners it is no `Exception`: what turns every error of a step into a retry would turn
    a hole in the script into one, too.
    """


class Script:
    """An `Ask` that answers from a table by effect type (or its name), and keeps what it was asked in `asked`.

    An exception in the table is raised instead of returned. Instead of a table there may be a model's answers alone:
    `Script(says("Noon."))`. `faults` are what its first calls meet before that, by name or as `fault` makes them.
    Raises `TypeError` for what is no table or no line, and `Unscripted` for an effect that has no line, or none left.
    """

    def __init__(
        self,
        lines: Mapping[Any, Line] | Said | None = None,
        *more: Said,
        faults: Iterable[str | Said] = (),
    ) -> None:
        self.asked: list[AnyEffect] = []
        self._lines: dict[type[AnyEffect], deque[Said] | Callable[[Any], Said]] = {}
        table: Mapping[Any, Line] = {CallModel: [lines, *more]} if isinstance(lines, Said) else lines or {}
        if not isinstance(table, Mapping):
            raise TypeError(f"{table!r} is no table of answers by effect; one answer of a model is says(...)")
        for effect, line in table.items():
            self._lines[_kind(effect)] = _line(line)
        self._faults = deque(fault(it) if isinstance(it, str) else it for it in faults)

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

    def has(self, effect: AnyEffect) -> bool:
        """Whether there is an answer left for a question like this."""
        line = self._lines.get(type(effect))
        return bool(line) or (isinstance(effect, CallModel) and bool(self._faults))

    def of(self, effect: type[Asked]) -> list[Asked]:
        """What was asked of one effect type, oldest first."""
        return [asked for asked in self.asked if isinstance(asked, effect)]

    def left(self) -> Mapping[str, int]:
        """How many scripted answers nobody asked for, by the effect's type; an empty mapping once all are said."""
        if self._faults:
            return {"faults": len(self._faults), **self._unsaid()}
        return self._unsaid()

    def _unsaid(self) -> dict[str, int]:
        unsaid = {effect.type: len(line) for effect, line in self._lines.items() if isinstance(line, deque)}
        return {name: count for name, count in unsaid.items() if count}

    def _next(self, effect: AnyEffect) -> Said:
        if self._faults and isinstance(effect, CallModel):
            return self._faults.popleft()
        line = self._lines.get(type(effect))
        if line is None:
            known = ", ".join(it.type for it in self._lines) or "nothing"
            raise Unscripted(f"the script has no line for {effect.type!r}; it has lines for {known}")
        if not isinstance(line, deque):
            return line(effect)
        if not line:
            raise Unscripted(f"the script has no line left for {effect.type!r}, ask {len(self.of(type(effect)))}")
        return line.popleft()


def _line(line: Line) -> deque[Said] | Callable[[Any], Said]:
    if isinstance(line, Said):  # a model is iterable, too: over its fields
        return deque([line])
    if callable(line):
        return line
    if isinstance(line, str) or not isinstance(line, Iterable):
        raise TypeError(f"{line!r} is no line: that is an answer, several in a list, or a function")
    return deque(line)


def _kind(effect: type[AnyEffect] | str) -> type[AnyEffect]:
    """An effect's type, by itself or by its name. Raises `ValueError` for a name that is none."""
    if not isinstance(effect, str):
        return effect
    try:
        return KINDS[effect]
    except KeyError:
        raise ValueError(f"no question is called {effect!r}; there is {', '.join(KINDS)}") from None
