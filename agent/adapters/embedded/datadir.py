"""The data directory: what lies where in it, and who holds it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from agent.errors import Misconfigured

SOCKET_PATH_LIMIT_BYTES = 103
"""What `sun_path` holds on macOS without its final NUL; Linux takes four more."""
LONGEST_SOCKET = "postgres/.s.PGSQL.5432"
PATIENCE_S = 3.0
"""How long to wait for a lock whose holder is gone: a child that it forked may outlive it for a moment."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """The files of the embedded engines. `root` is absolute and without symbolic links."""

    root: Path

    @classmethod
    def make(cls, path: Path) -> DataDir:
        """Raises `Misconfigured` if the directory cannot be made."""
        root = path.expanduser().resolve()
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"the data directory {root} cannot be made: {error.strerror}") from error
        return cls(root)

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def urls(self) -> Path:
        return self.root / "engines.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def sockets(self) -> Path:
        """Where the sockets are: in the data directory, or under the temporary one if their paths would not do.

        Too deep: the kernel limits their length. A comma or a quote: a connection URL takes them for something else.
        """
        inside = self.root / "run"
        if _fits(inside) and not set(str(inside)) & set(",\"'"):
            return inside
        name = f"cuelight-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]}"
        return next(filter(_fits, (Path(tempfile.gettempdir(), name), Path("/tmp", name))))  # noqa: S108


def _fits(sockets: Path) -> bool:
    return len(os.fsencode(sockets / LONGEST_SOCKET)) <= SOCKET_PATH_LIMIT_BYTES


def private(directory: Path) -> Path:
    """Make a directory for us alone. Raises `Misconfigured` if somebody else was there first."""
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Misconfigured(f"{directory} belongs to somebody else; remove it, or choose another --data-dir")
    directory.chmod(0o700)
    return directory


def replace(path: Path, text: str) -> None:
    """Write a file that only we can read, in one step."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


class Hold:
    """The hold of this process on a data directory. The kernel lets go of it when the process dies, however it dies."""

    def __init__(self, directory: DataDir) -> None:
        """Raises `Misconfigured` naming the process that has the directory."""
        self._fd = _open(directory)
        try:
            self.crashed = _take(self._fd, directory) != ""
            """Whether the one before us never said goodbye."""
            os.truncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(_ourselves()).encode(), 0)
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Say goodbye: nothing of ours runs on this directory any more."""
        os.truncate(self._fd, 0)
        fcntl.flock(self._fd, fcntl.LOCK_UN)  # a forked child may have the descriptor too: closing ours is not enough
        os.close(self._fd)


def held(directory: DataDir) -> bool:
    """Whether some process holds the directory."""
    try:
        fd = os.open(directory.lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Misconfigured(f"{directory.lock} cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _open(directory: DataDir) -> int:
    try:
        return os.open(directory.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Misconfigured(f"the data directory {directory.root} cannot be written: {error.strerror}") from error


def _take(fd: int, directory: DataDir) -> str:
    """Take the lock; what the last holder left written in it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _read(fd)
        # Somebody who only looks whether it is held has it for an instant, and then its text names nobody alive.
        text = _read(fd)
        if _is_alive(text) or time.monotonic() > deadline:
            raise Misconfigured(_in_use(directory, text))
        time.sleep(0.02)


def _read(fd: int) -> str:
    return os.pread(fd, 10_000, 0).decode("utf-8", "replace")


def _ourselves() -> dict[str, str | int | float]:
    """A word with `://` in it may hold a password and is left out."""
    words = ["..." if "://" in word else word for word in sys.argv[1:]]
    return {
        "pid": os.getpid(),
        "command": " ".join([Path(sys.argv[0]).name, *words])[:200],
        "started": datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
        "born": psutil.Process().create_time(),
    }


def _is_alive(text: str) -> bool:
    """Whether the process that a lock's text names still runs; its time of birth tells it from a later namesake."""
    try:
        holder = json.loads(text)
        return bool(abs(psutil.Process(holder["pid"]).create_time() - holder["born"]) < 2)
    except (ValueError, KeyError, TypeError, psutil.Error):
        return False


def _in_use(directory: DataDir, text: str) -> str:
    try:
        holder = json.loads(text)
        who = f"process {holder['pid']} ({holder['command']}), started {holder['started']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return f"{directory.root} is in use by {who}; stop it or choose another --data-dir"
