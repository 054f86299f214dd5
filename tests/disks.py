"""A disk of a test's own, which can be full: a file system in memory, on machines that let us mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NO_MOUNT = "this machine does not let us mount a file system, and no other disk may be filled"
TIMES = 20
"""Its users write while it shrinks: what is in use a moment later may not fit any more."""


class NoMount(Exception):
    """Only a privileged user may mount, and in some containers nobody."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Mounted at `path`. What was written stays when it is full, and every new block is refused."""

    path: Path
    size_bytes: int

    def fill(self) -> None:
        """From now on it has no room. Raises `subprocess.CalledProcessError` if it cannot be."""
        for left in reversed(range(TIMES)):
            if _mount(self.path, f"remount,size={used_bytes(self.path)}", check=left == 0):
                return

    def free(self) -> None:
        """From now on it has all of its room again."""
        _mount(self.path, f"remount,size={self.size_bytes}")


@contextmanager
def disk(path: Path, size_bytes: int) -> Iterator[Disk]:
    """A disk at the directory `path`; gone afterwards, whoever still has a file there. Raises `NoMount`."""
    try:
        _mount(path, f"size={size_bytes},mode=0755")
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoMount(NO_MOUNT) from error
    try:
        yield Disk(path, size_bytes)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def used_bytes(path: Path) -> int:
    """In whole blocks, as the file system counts them."""
    found = os.statvfs(path)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _mount(path: Path, options: str, *, check: bool = True) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "cuelight-test", str(path)]
    return subprocess.run(command, check=check, capture_output=True).returncode == 0
