"""Where a process keeps its indexes: one numbered folder to itself, found again after a restart."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from hashlib import sha256
from itertools import count
from pathlib import Path

from agent.errors import Misconfigured

PLAIN = re.compile(r"[a-z0-9_-]{1,60}")


class Slot:
    """The first folder `<index_dir>/<n>` that no living process holds; without `index_dir` a temporary one.

    The lock dies with the process, so a restarted worker finds the indexes of a dead one.
    Raises `Misconfigured` if the folder cannot be used.
    """

    def __init__(self, index_dir: Path | None) -> None:
        self._temporary = index_dir is None
        self._lock = -1
        if index_dir is None:
            self.folder = Path(tempfile.mkdtemp(prefix="cuelight-index-"))
        else:
            self.folder = self._claim(index_dir)

    def _claim(self, index_dir: Path) -> Path:
        try:
            for number in count():
                folder = index_dir / str(number)
                folder.mkdir(parents=True, exist_ok=True)
                if self._locked(folder / "lock"):
                    break
        except OSError as error:
            raise Misconfigured(f"search indexes cannot be kept in {index_dir}: {error.strerror}") from error
        return folder

    def _locked(self, path: Path) -> bool:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def home(self, project: str, collection: str) -> Path:
        """The folder of a collection's index; any name makes a safe one, and no two names the same."""
        return self.folder / _safe(project) / _safe(collection)

    def close(self) -> None:
        """Give the folder back; a temporary one is deleted."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)


def _safe(name: str) -> str:
    """Plain names as they are; others, and those that file systems might confuse, as a hash with a sign before it."""
    if PLAIN.fullmatch(name):
        return name
    return f"={sha256(name.encode('utf-8', 'replace')).hexdigest()[:32]}"
