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


def alive(process: psutil.Process) -> bool:
    """Whether it is there, and no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
