"""Time as a thing that a test holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class HeldClock:
    """Stands still until it is told otherwise."""

    def __init__(self, at: datetime = START) -> None:
        """Raises `ValueError` if `at` has no time zone."""
        if at.tzinfo is None:
            raise ValueError("a clock needs a time zone")
        self._at = at

    def now(self) -> datetime:
        """The time it was set to, aware."""
        return self._at

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass. Raises `ValueError` if they are negative: time does not run backwards."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds} s")
        self._at += timedelta(seconds=seconds)

    def advance_to(self, at: datetime) -> None:
        """Let time pass until `at`; nothing happens if it is over already."""
        self._at = max(self._at, at)
