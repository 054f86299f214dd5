"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """A fault breaks a promise, or soon will; a warning wants to be looked at."""

    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, and what to do about it. `check` is a name that is never renamed."""

    check: str
    level: Level
    subject: str
    """What it is about: a route, an engine, a kind; empty if there is only one such thing."""
    said: str
    advice: str
    examples: tuple[str, ...] = ()
    """A few runs, or other ids, that `cuelight show` and the like take."""


def fault(check: str, subject: str, said: str, advice: str, examples: tuple[str, ...] = ()) -> Finding:
    return Finding(check, Level.FAULT, subject, said, advice, examples)


def warning(check: str, subject: str, said: str, advice: str, examples: tuple[str, ...] = ()) -> Finding:
    return Finding(check, Level.WARNING, subject, said, advice, examples)


def lasted(seconds: float) -> str:
    """A length of time for people."""
    for unit, size in (("s", 1.0), ("minutes", 60.0), ("hours", 3_600.0), ("days", 86_400.0)):
        amount, after = seconds / size, {"s": 120, "minutes": 120, "hours": 48, "days": float("inf")}[unit]
        if amount < after:
            return f"{amount:.0f} {unit}"
    return f"{seconds:.0f} s"
