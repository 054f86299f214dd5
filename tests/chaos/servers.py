"""PostgreSQL and Valkey as children that can be killed, frozen, and started again on what is left of their files."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import asyncpg
import psutil
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from agent.adapters.embedded import binaries
from agent.adapters.embedded.datadir import DataDir, private
from agent.adapters.embedded.postgres import Postgres
from tests.chaos.children import Child

ANSWERS_S = 60.0
PORT = 5432


class Valkey(Child):
    """An append-only file that is written every second, no snapshots, nothing evicted: as in docker-compose.yml."""

    def __init__(self, home: Path) -> None:
        self.home = home / "valkey"
        self.home.mkdir()
        self.socket = home / "valkey.sock"
        options = {"port": "0", "unixsocket": str(self.socket), "dir": str(self.home), "save": "", "appendonly": "yes"}
        options |= {"appendfsync": "everysec", "aof-load-truncated": "yes", "maxmemory-policy": "noeviction"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        super().__init__("redis", [str(binaries.valkey()), *words], os.environ, home / "valkey.log", ready=None)

    def client(self) -> Redis:
        """A connection of ours that no fault of the network touches. Times out after a second."""
        return Redis(
            unix_socket_path=str(self.socket),
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        )

    async def up(self, within_s: float = ANSWERS_S) -> bool:
        until = time.monotonic() + within_s
        async with self.client() as client:
            while time.monotonic() < until:
                try:
                    return bool(await client.ping())
                except (RedisError, OSError):
                    await asyncio.sleep(0.02)
        return False

    def tail(self) -> Path:
        """The file that is being appended to."""
        return max((self.home / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)

    def truncate(self, most_bytes: int) -> int:
        """Cut the end off; how much it was. The server must be down."""
        path = self.tail()
        cut = min(most_bytes, path.stat().st_size // 2)
        os.truncate(path, path.stat().st_size - cut)
        return cut

    def damage(self) -> int:
        """Break the file in its middle, at the beginning of a command; at which byte. The server must be down."""
        path = self.tail()
        content = path.read_bytes()
        at = content.find(b"\n*", len(content) // 2) + 1
        path.write_bytes(content[:at] + b"\xff" * 20 + content[at + 20 :])
        return at

    async def gives_up(self) -> bool:
        """Whether a server that was started ends rather than answering."""
        while self.alive:
            if await self.up(within_s=0.1):
                return False
        return True

    def put_aside(self) -> None:
        """Take the files out of the server's way, as an operator would. The server must be down."""
        aside = self.home.with_name("valkey.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        (self.home / "appendonlydir").rename(aside)

    def copy_files(self) -> Path:
        """The files as they are now, beside them."""
        aside = self.home.with_name("valkey.copy")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(self.home / "appendonlydir", aside)
        return aside

    def take_back(self, aside: Path) -> None:
        """Put a copy in place of the files. The server must be down."""
        shutil.rmtree(self.home / "appendonlydir")
        aside.rename(self.home / "appendonlydir")

    def fill_disk(self) -> None:
        """From now on no file of the server grows: every write fails, as on a full disk."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def free_disk(self) -> None:
        if self.alive:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@dataclass
class Ledger:
    """PostgreSQL, with the embedded adapter's settings. It is held by whoever strikes it; nobody else restarts it."""

    home: Path
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    name: str = "postgres"
    starts: int = 0

    def __post_init__(self) -> None:
        directory = DataDir.make(self.home / "ledger")
        private(directory.sockets)
        self._engine = Postgres(directory)

    @property
    def socket(self) -> Path:
        return self._engine.directory.sockets / "postgres" / f".s.PGSQL.{PORT}"

    @property
    def url(self) -> str:
        """For ourselves: past the proxy."""
        return self._engine.url

    def start(self) -> None:
        """Start it on what is there; from the main thread, whose end it does not outlive."""
        shutil.rmtree(self._engine.directory.sockets / "postgres", ignore_errors=True)
        self._engine.launch()
        self.starts += 1

    async def up(self, within_s: float = ANSWERS_S) -> bool:
        until = time.monotonic() + within_s
        while not self._engine.ready():
            if time.monotonic() > until or not self.alive:
                return False
            await asyncio.sleep(0.02)
        return True

    @property
    def alive(self) -> bool:
        return self._engine.child is not None and self._engine.child.failed() is None

    async def turn_log(self) -> None:
        """Have its log need another file soon; where there is no room for one, that kills it."""
        with suppress(OSError, TimeoutError, asyncpg.PostgresError):
            connection = await asyncpg.connect(self.url, timeout=2)
            try:
                await connection.execute("select pg_switch_wal()", timeout=2)
            finally:
                connection.terminate()

    async def answers(self, within_s: float = ANSWERS_S) -> bool:
        """Wait until it does what it is asked; started again if it died of what befell it."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if not self.alive:
                await asyncio.to_thread(self._engine.recover)
                self.start()
            with suppress(OSError, TimeoutError, asyncpg.PostgresError):
                connection = await asyncpg.connect(self.url, timeout=2)
                try:
                    await connection.execute("create temporary table room (one int); drop table room")
                    return True
                finally:
                    await connection.close()
            await asyncio.sleep(0.1)
        return False

    def family(self) -> list[psutil.Process]:
        """The server and its children."""
        assert self._engine.child is not None
        head = psutil.Process(self._engine.child.pid)
        return [head, *head.children(recursive=True)]

    def send(self, number: int) -> None:
        for process in self.family():
            try:
                process.send_signal(number)
            except psutil.Error:
                continue

    async def kill(self) -> None:
        """SIGKILL to all of it, and wait until nothing of it is left."""
        self.send(SIGKILL)
        assert self._engine.child is not None
        await asyncio.to_thread(self._engine.child.process.wait)
        await asyncio.to_thread(self._engine.recover)

    def freeze(self) -> None:
        self.send(SIGSTOP)

    def thaw(self) -> None:
        self.send(SIGCONT)

    async def stop(self) -> None:
        child = self._engine.child
        if child is not None and self.alive:
            self.thaw()
            child.ask_to_stop()
            await asyncio.to_thread(child.wait_stopped)
