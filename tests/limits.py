"""Time limits that run out when a test says so, told apart by how long they are."""

from __future__ import annotations

import asyncio

import pytest


class Limit:
    """Stands for `asyncio.timeout`: a limit of `seconds` never runs out by itself, and every other one does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 7.5) -> None:
        self.seconds = seconds
        self._real = asyncio.timeout
        self._last: asyncio.Timeout | None = None
        monkeypatch.setattr(asyncio, "timeout", self)

    def __call__(self, delay: float | None) -> asyncio.Timeout:
        if delay != self.seconds:
            return self._real(delay)
        self._last = self._real(None)
        return self._last

    def run_out(self) -> None:
        """Let the one that was set last be over."""
        assert self._last is not None, f"nobody has set a limit of {self.seconds} s"
        self._last.reschedule(0)
