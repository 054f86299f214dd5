"""A disk of a test's own, which can be full: a file system in memory or in a file, where we may mount one."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NO_MOUNT = "this machine does not let us mount a file system, and no other disk may be filled"
BALLAST = "ballast"
BLOCK_BYTES = 4_096
PRIVATE_MOUNTS = 0x00020000
"""CLONE_NEWNS of `unshare(2)`."""


class NoMount(Exception):
    """Only a privileged user may mount, and in some containers nobody."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Mounted at `path`. Nothing else stands between its users and a disk that has no room."""

    path: Path

    def fill(self) -> None:
        """From now on every new block is refused; what was written stays, and may be written over."""
        with (self.path / BALLAST).open("wb") as file:
            at, bite = 0, 1 << 30
            while bite >= BLOCK_BYTES:
                try:
                    os.posix_fallocate(file.fileno(), at, bite)
                    at += bite
                except OSError:
                    bite //= 2

    def free(self) -> None:
        """From now on it has room again."""
        (self.path / BALLAST).unlink(missing_ok=True)


@contextmanager
def disk_in_memory(path: Path, size_bytes: int) -> Iterator[Disk]:
    """A disk at the directory `path`; gone afterwards, whoever still has a file there. Raises `NoMount`."""
    with _mounted(path, "-t", "tmpfs", "-o", f"size={size_bytes},mode=0755", "cuelight-test"):
        yield Disk(path)


@contextmanager
def disk_in_file(path: Path, image: Path, size_bytes: int) -> Iterator[Disk]:
    """As above, with a file below it that takes no more room than what was written. Raises `NoMount`."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    _do("mkfs.ext4", "-q", "-m", "0", str(image))
    with _mounted(path, "-o", "loop", str(image)):
        yield Disk(path)


def mount_for_ourselves() -> None:
    """From now on what this process mounts is seen by its children only, and is gone when all of them are.

    Call it before there are threads. Raises `NoMount`.
    """
    if ctypes.CDLL(None).unshare(PRIVATE_MOUNTS) != 0:
        raise NoMount(NO_MOUNT)
    _do("mount", "--make-rprivate", "/")


@contextmanager
def _mounted(path: Path, *words: str) -> Iterator[None]:
    _do("mount", *words, str(path))
    try:
        yield
    finally:
        _do("umount", "--lazy", str(path))


def _do(*words: str) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoMount(NO_MOUNT) from error
