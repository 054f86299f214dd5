"""One engine as a child process: started, watched, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals

from agent.errors import Misconfigured

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT_BYTES = 8_000_000
TAIL_LINES = 5


@dataclass(frozen=True, slots=True)
class Account:
    """The user an engine runs as when that is not our own."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one start of an engine: what `path` holds from byte `start` on."""

    path: Path
    start: int

    @classmethod
    def open(cls, path: Path) -> Log:
        """Continue the log at `path`, for us alone; one that has grown large is put aside as `*.old` first."""
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_name(f"{path.name}.old"))
        path.touch(mode=0o600)
        return cls(path, path.stat().st_size)

    def tail(self) -> str:
        with self.path.open("rb") as file:
            file.seek(self.start)
            lines = file.read().decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def launcher(death_signal: int, account: Account | None = None) -> list[str]:
    """What stands before a command so that its process gets `death_signal` when this one dies (on Linux).

    The signal comes when the *thread* that started the child ends, so only the main one asks for it.
    """
    signum = death_signal if threading.current_thread() is threading.main_thread() else 0
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    return [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, (os.getpid(), signum, uid, gid))]


def _spawn(
    command: Sequence[str], log: Path, account: Account | None, death_signal: int, stdin: int
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [*launcher(death_signal, account), *command],
            stdin=stdin,
            stdout=output,
            stderr=output,
            cwd="/",  # ours may be closed to the engine's user
            env=_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is for us: the engines stop after the work is drained
        )


def _environment() -> dict[str, str]:
    """Ours without the variables that redirect PostgreSQL (PGPORT, PGDATA, ...), and with logs in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def run(command: Sequence[str], log: Path, account: Account | None, text: str = "") -> None:
    """Run a command that ends by itself, with `text` as its input. Raises `Misconfigured` if it fails."""
    opened = Log.open(log)
    process = _spawn(command, log, account, SIGKILL, subprocess.PIPE)
    try:
        process.communicate(text.encode())
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise Misconfigured(f"{Path(command[0]).name} failed; {log} ends with:\n{opened.tail()}")


@dataclass(slots=True)
class Child:
    """A running engine. `farewell` lists the signals that stop it, each with the seconds it gets before the next."""

    name: str
    log: Log
    farewell: Sequence[tuple[Signals, float]]
    process: subprocess.Popen[bytes] = field(repr=False)

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        farewell: Sequence[tuple[Signals, float]],
        account: Account | None = None,
    ) -> Child:
        """The first signal of `farewell` is also what the engine gets when we die without a word (on Linux)."""
        opened = Log.open(log)
        process = _spawn(command, log, account, farewell[0][0], subprocess.DEVNULL)
        return cls(name, opened, farewell, process)

    @property
    def pid(self) -> int:
        return self.process.pid

    def failed(self) -> str | None:
        """None while the engine runs; else what became of it, and the end of its log."""
        code = self.process.poll()
        if code is None:
            return None
        how = f"was killed by {Signals(-code).name}" if code < 0 else f"stopped with exit code {code}"
        return f"{self.name} (process {self.pid}) {how}; {self.log.path} ends with:\n{self.log.tail()}"

    def ask_to_stop(self) -> None:
        """Send the first signal and do not wait."""
        self.process.send_signal(self.farewell[0][0])

    def wait_stopped(self) -> None:
        """Wait for the end that `ask_to_stop` asked for, ever less politely."""
        signals = [signum for signum, _ in self.farewell[1:]] + [SIGKILL]
        for (_, patience_s), next_signal in zip(self.farewell, signals, strict=True):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience_s)
                return
            self.process.send_signal(next_signal)
        self.process.wait()
