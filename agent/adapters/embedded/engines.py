"""Both engines as one thing: held, started, watched and stopped together."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from agent.adapters.embedded.child import Child
from agent.adapters.embedded.datadir import DataDir, Hold, held, private, replace
from agent.adapters.embedded.postgres import Postgres
from agent.adapters.embedded.valkey import Valkey
from agent.errors import Misconfigured

START_LIMIT_S = 300.0
"""Generous: after a crash PostgreSQL replays its log and Valkey its file before they answer."""


@dataclass(frozen=True, slots=True)
class EngineUrls:
    """Where PostgreSQL (for asyncpg) and Redis (for redis-py) are. They may hold passwords, so they do not print."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)


class Engine(Protocol):
    """A server that runs as our child."""

    name: str
    child: Child | None

    @property
    def url(self) -> str: ...
    def recover(self) -> None: ...
    def launch(self) -> None: ...
    def again(self, reason: str) -> None: ...
    def ready(self) -> bool: ...


class Engines:
    """The embedded engines on a data directory, for as long as the `with` block lasts.

    An engine whose URL is given is left out; with both given there are no processes and the directory is not touched.
    Enter it from the main thread: on Linux the engines die with the thread that started them, which is how they end
    with us even after a SIGKILL; started from another thread they outlive such a death until the next start.
    """

    def __init__(self, data_dir: Path, *, database_url: str | None = None, redis_url: str | None = None) -> None:
        self._data_dir = data_dir
        self._database_url = database_url
        self._redis_url = redis_url
        self._directory: DataDir | None = None
        self._hold: Hold | None = None
        self._engines: tuple[Engine, ...] = ()

    @property
    def urls(self) -> EngineUrls:
        """The given URLs, and those of the running engines. Raises `RuntimeError` outside the `with` block."""
        running = {type(engine): engine.url for engine in self._engines if engine.child}
        database_url = self._database_url or running.get(Postgres)
        redis_url = self._redis_url or running.get(Valkey)
        if database_url is None or redis_url is None:
            raise RuntimeError("the engines are not running")
        return EngineUrls(database_url, redis_url)

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes of the engines that run as our children, by name: `PostgreSQL`, `Valkey`."""
        return {engine.name: engine.child.pid for engine in self._engines if engine.child}

    def failed(self) -> str | None:
        """None while all is well; else which engine ended, how, and the last lines of its log. Cheap to ask often."""
        reasons = (engine.child.failed() for engine in self._engines if engine.child)
        return next((reason for reason in reasons if reason), None)

    def mend(self) -> Mapping[str, str]:
        """Start again what died, at the same address, and do not wait until it answers; why each one died, by name.

        From the main thread, as `start`. Raises `Misconfigured` if one cannot even be tried.
        """
        died = [(engine, engine.child.failed()) for engine in self._engines if engine.child]
        reasons = [(engine, reason) for engine, reason in died if reason is not None]
        for engine, reason in reasons:
            engine.again(reason)
        return {engine.name: reason for engine, reason in reasons}

    def start(self) -> EngineUrls:
        """Take the directory, start what is not given and wait until it answers.

        Raises:
            Misconfigured: the directory is in use or not ours, or an engine does not start; nothing is left running.
        """
        if self._database_url is None or self._redis_url is None:
            self._directory = DataDir.make(self._data_dir)
            self._hold = Hold(self._directory)
            try:
                self._launch(self._directory, crashed=self._hold.crashed)
            except BaseException:
                self.stop()
                raise
        return self.urls

    def stop(self) -> None:
        """Stop both engines cleanly, then let go of the directory. Harmless when there is nothing to stop."""
        children = [engine.child for engine in self._engines if engine.child]
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.wait_stopped()
        self._engines = ()
        if self._directory and self._hold:
            self._directory.urls.unlink(missing_ok=True)
            shutil.rmtree(self._directory.sockets, ignore_errors=True)
            self._hold.release()
        self._hold = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, directory: DataDir, *, crashed: bool) -> None:
        directory.urls.unlink(missing_ok=True)
        shutil.rmtree(directory.sockets, ignore_errors=True)
        private(directory.sockets)
        self._engines = self._wanted(directory)
        for engine in self._engines:
            if crashed:
                engine.recover()
            engine.launch()
        for engine in self._engines:
            _wait_ready(engine)
        replace(directory.urls, json.dumps(asdict(self.urls)))

    def _wanted(self, directory: DataDir) -> tuple[Engine, ...]:
        """Valkey first: it loads while PostgreSQL is being made."""
        valkey = () if self._redis_url else (Valkey(directory),)
        return (*valkey, *(() if self._database_url else (Postgres(directory),)))


def _wait_ready(engine: Engine) -> None:
    """Looks whether it died before it asks whether it is ready: so it is the engine that first hears of what can be
    mended, and starts again."""
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        child = engine.child
        reason = child.failed() if child else None
        if engine.ready():
            return
        if reason and engine.child is child:
            raise Misconfigured(f"{engine.name} did not start: {reason}")
        if time.monotonic() > deadline:
            raise Misconfigured(f"{engine.name} did not answer within {START_LIMIT_S:.0f} s of its start")
        time.sleep(0.005)


def made(data_dir: Path) -> bool:
    """Whether there is a PostgreSQL of ours in this directory, running or not."""
    return DataDir(data_dir.expanduser().resolve()).postgres.exists()


def running(data_dir: Path) -> EngineUrls | None:
    """Where the engines are that another process runs on this directory; None if nobody does, or not yet.

    Raises `Misconfigured` if they are another user's.
    """
    directory = DataDir(data_dir.expanduser().resolve())
    if not held(directory):
        return None
    try:
        return EngineUrls(**json.loads(directory.urls.read_text()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misconfigured(f"{directory.urls} cannot be read: {error.strerror}") from error
