"""A worker's end of its heartbeat: starts the process, tells it what is held, and replaces it when it dies."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from agent.adapters.streams import scripts
from agent.adapters.streams.keys import Keys
from agent.ports import Delivery

log = structlog.get_logger(__name__)

SCRIPT = Path(__file__).with_name("beat.py")


@dataclass(frozen=True, slots=True)
class _Held:
    stream: str
    group: str
    entry: str
    lease: str
    until: float | None

    def told(self) -> list[Any]:
        left_s = None if self.until is None else self.until - time.monotonic()
        return ["+", self.stream, self.group, self.entry, self.lease, left_s]


class ProcessHeartbeat:
    """See `agent.ports.Heartbeat`. What is told goes through a pipe at once: the loop may be blocked a moment later."""

    def __init__(self, url: str, keys: Keys, worker: str, lease_s: float) -> None:
        self._keys = keys
        self._every_s = lease_s / 3
        self._told = {
            "url": url,  # by the pipe, not as an argument: it may hold a password
            "worker": worker,
            "parent": os.getpid(),
            "lease_ms": int(lease_s * 1000),
            "script": scripts.RENEW,
        }
        self._held: dict[tuple[str, str], _Held] = {}
        self._unsent = b""
        self._pipe = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that beats now."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        told, self._pipe = os.pipe()
        heard, ready = os.pipe()
        self._process = subprocess.Popen([sys.executable, "-P", str(SCRIPT)], stdin=told, stdout=ready)  # noqa: ASYNC220
        for end in (told, ready):
            os.close(end)
        os.set_blocking(self._pipe, False)
        self._unsent = b""
        self._send(self._told, *(held.told() for held in self._held.values()))
        await asyncio.to_thread(os.read, heard, 1)
        os.close(heard)

    def hold(self, delivery: Delivery, most_s: float | None = None) -> None:
        pointer = delivery.pointer
        stream, lease = self._keys.work(pointer.route), self._keys.lease(pointer)
        until = None if most_s is None else time.monotonic() + most_s
        held = _Held(stream, self._keys.group(pointer.route), delivery.entry, lease, until)
        self._held[stream, delivery.entry] = held
        self._send(held.told())

    def let_go(self, delivery: Delivery) -> None:
        stream = self._keys.work(delivery.pointer.route)
        if self._held.pop((stream, delivery.entry), None) is not None:
            self._send(["-", stream, delivery.entry])

    async def keep(self, done: asyncio.Event) -> None:
        try:
            while not done.is_set():
                if self._process is not None and self._process.poll() is not None:
                    log.error("heartbeat_died", exit_code=self._process.returncode)
                    self._close()
                    await self.start()
                self._send()
                await _wait(done, self._every_s)
        finally:
            self._close()

    def _send(self, *values: Any) -> None:
        """What does not fit into the pipe waits; a process that is gone leaves all to its successor."""
        if self._process is None:
            return
        self._unsent += b"".join(orjson.dumps(value) + b"\n" for value in values)
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._pipe, self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = b""

    def _close(self) -> None:
        if self._process is not None:
            os.close(self._pipe)
            self._process.kill()
            self._process.wait()
            self._process = None


async def _wait(event: asyncio.Event, at_most_s: float) -> None:
    try:
        async with asyncio.timeout(at_most_s):
            await event.wait()
    except TimeoutError:
        return
