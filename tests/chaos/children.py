"""A process under our care: started, frozen, killed, and started again when it dies, as a supervisor would."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

RESTART_AFTER_S = 0.3
READY_S = 60.0
# A child dies with this process, however that ends. Python has SIGXFSZ ignored and hands that on: a server that may
# not write any more gets an error, as on a full disk, and is not killed.
LEASH = "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,9,0,0,0);os.execv(sys.argv[1],sys.argv[1:])"


@dataclass
class Child:
    """`ready` is what its standard output says once it can work; None where nobody waits for words."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    ready: bytes | None = b"ready: "
    held: bool = False
    """Whoever holds it starts it again; the supervisor lets it be."""
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Faults that strike the same process come one after another."""
    _began_at: int = 0
    _dead_since: float | None = None

    def start(self) -> None:
        """Start it; its words go to its log."""
        self.log.touch()
        self._began_at = self.log.stat().st_size
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LEASH, *self.command],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                restore_signals=False,
            )
        self.starts += 1
        self._dead_since = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: int) -> None:
        """A signal to the process itself; nothing if it is gone."""
        with suppress(ProcessLookupError):
            if self.alive:
                os.kill(self.pid, number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send(signal.SIGKILL)
        await self.gone()

    async def gone(self, within_s: float = 60.0) -> int | None:
        """Wait for its end; its exit code, or None if it did not end in time."""
        until = time.monotonic() + within_s
        while self.alive:
            if time.monotonic() > until:
                return None
            await asyncio.sleep(0.02)
        return self.process.returncode if self.process else None

    async def up(self, within_s: float = READY_S) -> bool:
        """Wait until it says that it is ready, whoever starts it; whether it did."""
        until = time.monotonic() + within_s
        while not (self.alive and self.said_ready()):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.05)
        return True

    def said_ready(self) -> bool:
        """Whether this start of it has spoken the word."""
        if self.ready is None:
            return True
        with self.log.open("rb") as words:
            words.seek(self._began_at)
            return self.ready in words.read(200_000)

    def tend(self, now: float) -> int | None:
        """Start it again if it is dead for long enough; the exit code of a death that was just found."""
        if self.held or self.process is None or self.alive:
            return None
        if self._dead_since is None:
            self._dead_since = now
            return self.process.returncode
        if now - self._dead_since >= RESTART_AFTER_S:
            self.start()
        return None
