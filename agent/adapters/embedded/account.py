"""Running as root: PostgreSQL refuses to, so it runs as a user of its own, which must reach its files."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.adapters.embedded.binaries import postgres_wheel
from agent.adapters.embedded.child import Account
from agent.errors import Misconfigured

NAME = "pgserver"
ACCOUNTS = Path("/etc")
"""Where the system keeps its users: a lock on it is the same for every installation on the machine."""


def needed() -> Account | None:
    """None where PostgreSQL runs as our own user; for root the user `pgserver`, made if it is not there.

    Raises `Misconfigured` if it cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        with _alone():
            found = postgres_wheel().ensure_user_exists(NAME)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Misconfigured(
            f"PostgreSQL does not run as root, and its user {NAME!r} cannot be made; "
            "run as an ordinary user, or set CUELIGHT_DATABASE_URL"
        ) from error
    return Account(found.pw_uid, found.pw_gid)


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time, whichever environment it runs from.

    Two that made the user side by side gave it two numbers, and one of them was left with the number that was lost.
    """
    directory = os.open(ACCOUNTS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def give(directory: Path, account: Account) -> None:
    """Make `directory` and all in it the account's own; the directory comes last and vouches for the rest."""
    if directory.stat().st_uid == account.uid:
        return
    for path in (*directory.rglob("*"), directory):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def let_through(path: Path) -> None:
    """Let every user pass the directories above `path`, not read them.

    Only ever called as root, whose own directories (`/root`, a temporary one) tend to be closed: the wheel's programs
    and the data may lie below one. What is in them keeps its own permissions.
    """
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
