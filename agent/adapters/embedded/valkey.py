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
DAMAGED = "Bad file format"
"""What the server logs when its append-only file is broken in the middle, before it gives up."""

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
            self._start_empty_if_damaged()
            return False

    def _start_empty_if_damaged(self) -> None:
        """Nothing in Redis is the only copy of anything: what is lost here comes back from the ledger."""
        reason = self.child.failed() if self.child else None
        if reason is None or DAMAGED not in reason:
            return
        aside = self.directory.valkey.with_name("valkey.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            self.directory.valkey.rename(aside)
        except OSError as error:
            raise Misconfigured(f"{self.directory.valkey} is damaged and cannot be moved: {error.strerror}") from error
        log.warning("valkey_started_empty", damaged=str(aside), reason=reason)
        self.launch()
