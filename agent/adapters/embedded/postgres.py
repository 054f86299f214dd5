"""The embedded PostgreSQL: made on first start, on a unix socket only."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGQUIT
from urllib.parse import quote

from agent.adapters.embedded import account as accounts
from agent.adapters.embedded import binaries, leftovers
from agent.adapters.embedded.child import Account, Child, run
from agent.adapters.embedded.datadir import DataDir, private
from agent.errors import Misconfigured

USER = "cuelight"
DATABASE = "cuelight"
PORT = 5432
"""Part of the socket's name; nothing listens on it."""
PROGRAMS = ("postgres",)
FAREWELL = ((SIGINT, 15.0), (SIGQUIT, 5.0))
"""A fast shutdown, then one that recovers from the log on the next start."""

INITDB = (
    "--auth=trust",  # the socket's directory is closed to everybody else
    "--encoding=utf8",
    "--locale=C",
    "--locale-provider=builtin",  # sorts alike on every machine, for ever; the C library's order changes with it
    "--builtin-locale=C.UTF-8",
    f"--username={USER}",
)
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(slots=True)
class Postgres:
    """PostgreSQL on `directory.postgres`. Call `launch` once, then `ready` until it says so."""

    directory: DataDir
    name: str = "PostgreSQL"
    child: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """For asyncpg. The port is named because PGPORT would step in for a missing one."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self._sockets))}&port={PORT}"

    @property
    def _sockets(self) -> Path:
        return self.directory.sockets / "postgres"

    @property
    def _log(self) -> Path:
        return self.directory.root / "postgres.log"

    def recover(self) -> None:
        """After a crash: stop what it left running, and forget its pid, which may be a stranger's by now."""
        leftovers.stop(self.directory.postgres, PROGRAMS, SIGINT)
        self._pid_file.unlink(missing_ok=True)

    def again(self, reason: str) -> None:
        """Start it once more after it died: it mends itself from its log. Raises `Misconfigured`."""
        self.recover()
        shutil.rmtree(self._sockets, ignore_errors=True)
        self.launch()

    def launch(self) -> None:
        """Start it, with an empty database on the first start. Raises `Misconfigured`."""
        account = accounts.needed()
        program = binaries.postgres("postgres")
        private(self._sockets)
        if account:
            self._admit(account, program)
        if not self.directory.postgres.exists():
            self._make(account)
        self._check()
        settings = {**SETTINGS, "unix_socket_directories": str(self._sockets)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(program), "-D", str(self.directory.postgres), *options]
        self.child = Child.start(self.name, command, log=self._log, farewell=FAREWELL, account=account)

    def ready(self) -> bool:
        """Whether it takes connections: PostgreSQL says so in its pid file, which is where `pg_ctl` looks too."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        pid = self.child.pid if self.child else None
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    @property
    def _pid_file(self) -> Path:
        return self.directory.postgres / "postmaster.pid"

    def _admit(self, account: Account, program: Path) -> None:
        accounts.let_through(program)
        accounts.let_through(self._sockets)
        accounts.let_through(self.directory.postgres)
        accounts.give(self._sockets, account)
        if self.directory.postgres.exists():
            accounts.give(self.directory.postgres, account)

    def _make(self, account: Account | None) -> None:
        """Make the data beside its place and move it there when it is whole: a crash half-way leaves nothing behind."""
        new = self.directory.root / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        private(new)
        if account:
            accounts.give(new, account)
        run([str(binaries.postgres("initdb")), *INITDB, "-D", str(new)], self._log, account)
        single = [str(binaries.postgres("postgres")), "--single", "-D", str(new), "template1"]
        run(single, self._log, account, f"CREATE DATABASE {DATABASE}\n")
        new.rename(self.directory.postgres)
        root = os.open(self.directory.root, os.O_RDONLY)
        os.fsync(root)  # or a power cut might undo the renaming, and the data with it
        os.close(root)

    def _check(self) -> None:
        """Raises `Misconfigured` if the data is not for us to start."""
        data = self.directory.postgres
        try:
            version = (data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise Misconfigured(f"{data} holds no data of ours: {error.strerror}; choose another --data-dir") from error
        if version != str(binaries.POSTGRES_VERSION):
            raise Misconfigured(
                f"{data} was made by PostgreSQL {version} and this release brings {binaries.POSTGRES_VERSION}; "
                "move it over with pg_dump, or choose another --data-dir"
            )
