"""Engines that a crash left running on a data directory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import Signals

import psutil

PATIENCE_S = 20.0


def find(directory: Path, programs: Sequence[str]) -> list[psutil.Process]:
    """The processes of these programs that work in `directory`.

    Both engines make their data directory their working directory, their own children too. That tells them from a
    stranger who got the number in a stale pid file, and finds the orphans of a dead one, which no pid file names.
    """
    found = []
    directory = directory.resolve()
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            if process.info["name"] in programs and Path(process.cwd()) == directory:
                found.append(process)
    return found


def stop(directory: Path, programs: Sequence[str], polite: Signals) -> None:
    """Stop what a crash left running in `directory`, and wait until it is gone.

    Only the head of each family is asked, by `polite`; what does not end within `PATIENCE_S` seconds is killed.
    """
    family = find(directory, programs)
    pids = {process.pid for process in family}
    for process in family:
        with suppress(psutil.Error):
            if process.ppid() not in pids:
                process.send_signal(polite)
    _wait_gone(directory, programs)
    for process in find(directory, programs):
        with suppress(psutil.Error):
            process.kill()
    _wait_gone(directory, programs)


def _wait_gone(directory: Path, programs: Sequence[str]) -> None:
    """Not until the pids are gone: where nobody reaps orphans, as in many containers, a dead one keeps its number."""
    deadline = time.monotonic() + PATIENCE_S
    while find(directory, programs) and time.monotonic() < deadline:
        time.sleep(0.02)
