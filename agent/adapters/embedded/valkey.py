"""The embedded Valkey: append-only file, no snapshots, on a unix socket only."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from urllib.parse import quote

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from agent.adapters.embedded import binaries, leftovers
from agent.adapters.embedded.child import Child
from agent.adapters.embedded.datadir import DataDir, private
from agent.errors import Misconfigured

PROGRAMS = ("valkey-server", "redis-server")
FAREWELL = ((SIGTERM, 10.0),)
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-load-truncated": "yes",  # a crash may cut the last write short
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}
FILES = ("AOF", "append only", "RDB", "rdb file", "Data file", "loading the DB")
"""What a server complains of that gives up on its files: they are broken in the middle, or one is gone."""
OF_THE_DISK = ("No space left", "Permission denied", "Input/output error")
"""Complaints that an empty start would not mend."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Valkey:
    """Valkey on `directory.valkey`. Call `launch` once, then `ready` until it says so."""

    directory: DataDir
    name: str = "Valkey"
    child: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """For redis-py."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def _socket(self) -> Path:
        return self.directory.sockets / "valkey.sock"

    def recover(self) -> None:
        """After a crash: stop what it left running."""
        leftovers.stop(self.directory.valkey, PROGRAMS, SIGTERM)

    def launch(self) -> None:
        """Start it. Raises `Misconfigured`."""
        private(self.directory.valkey)
        settings = {**SETTINGS, "unixsocket": str(self._socket), "dir": str(self.directory.valkey)}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        command = [str(binaries.valkey()), *options]
        self.child = Child.start(self.name, command, log=self.directory.root / "valkey.log", farewell=FAREWELL)

    def ready(self) -> bool:
        """Whether it answers; while it loads its file it refuses. Starts empty if that file is damaged."""
        try:
            with redis.Redis(unix_socket_path=str(self._socket), retry=Retry(NoBackoff(), 0)) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.BusyLoadingError):
            reason = self.child.failed() if self.child else None
            if reason is not None and damaged(reason):
                self.again(reason)
            return False

    def again(self, reason: str) -> None:
        """Start it once more after it died: empty, if it gave up on its file. Raises `Misconfigured`."""
        self.recover()
        if damaged(reason):
            self._put_aside(reason)
        self.launch()

    def _put_aside(self, reason: str) -> None:
        """Nothing in Redis is the only copy of anything: what is lost here comes back from the ledger."""
        aside = self.directory.valkey.with_name("valkey.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            self.directory.valkey.rename(aside)
        except OSError as error:
            raise Misconfigured(f"{self.directory.valkey} is damaged and cannot be moved: {error.strerror}") from error
        log.warning("valkey_starts_empty", damaged=str(aside), reason=reason)


def damaged(reason: str) -> bool:
    """Whether a server gave up on what it found in its files, rather than being killed; it marks complaints by `#`."""
    if "stopped with exit code" not in reason:
        return False
    complaints = [line for line in reason.splitlines() if " # " in line]
    of_files = any(word in line for line in complaints for word in FILES)
    return of_files and not any(word in line for line in complaints for word in OF_THE_DISK)
