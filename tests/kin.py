"""The children of a process, which come and go while they are looked at."""

from __future__ import annotations

from contextlib import suppress

import psutil


def children(pid: int | None = None) -> list[tuple[psutil.Process, list[str]]]:
    """Those of a process, or of this one, that live, each with its command."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):
            found.append((child, child.cmdline()))
    return found


def alive(which: psutil.Process | int) -> bool:
    """Whether a process, or the one of that number, runs; a dead one that nobody has reaped does not."""
    try:
        process = psutil.Process(which) if isinstance(which, int) else which
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
