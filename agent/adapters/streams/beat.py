"""The heartbeat of one worker, as a process of its own. Run as a script by `heartbeat.py`, never imported.

A process and not a thread: code that holds the worker's interpreter for a while would keep a thread from running. It
is told on its standard input, a JSON value a line: first the configuration, then `["+", stream, group, entry, lease
key, seconds or null]` and `["-", stream, entry]`. It ends with its worker. What it cannot do it tries again: the
server may be away for long.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

# The client would load OpenTelemetry's whole kit to count what nobody here reads: half of this process' start.
sys.modules["opentelemetry"] = None  # type: ignore[assignment]

from redis import Redis  # noqa: E402
from redis.backoff import NoBackoff  # noqa: E402
from redis.exceptions import RedisError  # noqa: E402
from redis.retry import Retry  # noqa: E402

MOST_AT_ONCE = 200
STOPPED = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)


@dataclass(slots=True)
class Hold:
    """One delivery. `until` is on the monotonic clock; not `sure` if it was not renewed for a while."""

    group: str
    lease: str
    until: float | None
    sure: bool = True


class Beat:
    """Renews what it was told, three times within each lease."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.worker = told["worker"]
        self.parent = told["parent"]
        self.lease_s = told["lease_ms"] / 1000
        self.script = told["script"]
        self.lock = threading.Lock()
        self.holds: dict[tuple[str, str], Hold] = {}
        patience_s = max(self.lease_s, 1.0)
        self.redis = Redis.from_url(
            told["url"],
            socket_timeout=patience_s,
            socket_connect_timeout=patience_s,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,  # looking the library's version up would take longer than everything else here
        )

    def listen(self) -> None:
        """Take note of what is told, until the worker is gone."""
        for line in sys.stdin:
            told = json.loads(line)
            with self.lock:
                if told[0] == "+":
                    self.hold(*told[1:])
                else:
                    self.holds.pop((told[1], told[2]), None)

    def hold(self, stream: str, group: str, entry: str, lease: str, most_s: float | None) -> None:
        self.holds[stream, entry] = Hold(group, lease, None if most_s is None else time.monotonic() + most_s)

    def go_on(self) -> None:
        """Beat for ever."""
        last = time.monotonic()
        while True:
            stopped = self.is_stopped()
            if stopped or time.monotonic() - last > self.lease_s:
                self.doubt()
            last = time.monotonic()
            if not stopped:
                self.renew()
            time.sleep(max(self.lease_s / 3 - (time.monotonic() - last), 0.001))

    def is_stopped(self) -> bool:
        """Whether the worker cannot run at all. Ends this process if it is gone."""
        if os.getppid() != self.parent:
            os._exit(0)
        with suppress(psutil.Error):
            return psutil.Process(self.parent).status() in STOPPED
        return False

    def doubt(self) -> None:
        """Others may have taken over what was not renewed: from now on a hold needs a proof."""
        with self.lock:
            for hold in self.holds.values():
                hold.sure = False

    def renew(self) -> None:
        for (stream, group), held in self.due().items():
            for start in range(0, len(held), MOST_AT_ONCE):
                with suppress(RedisError, OSError):
                    self.renew_some(stream, group, held[start : start + MOST_AT_ONCE])

    def due(self) -> Mapping[tuple[str, str], Sequence[tuple[str, Hold]]]:
        """What is to be renewed, by stream and group."""
        now, found = time.monotonic(), defaultdict(list)
        with self.lock:
            for (stream, entry), hold in self.holds.items():
                if hold.until is None or now < hold.until:
                    found[stream, hold.group].append((entry, hold))
        return found

    def renew_some(self, stream: str, group: str, held: Sequence[tuple[str, Hold]]) -> None:
        keys = [stream, *(hold.lease for _, hold in held)]
        pairs = [part for entry, hold in held for part in (entry, int(hold.sure))]
        lease_ms = int(self.lease_s * 1000)
        self.redis.eval(self.script, len(keys), *keys, group, self.worker, lease_ms, *pairs)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the worker, which drains first
        signal.signal(number, signal.SIG_IGN)
    beat = Beat(json.loads(sys.stdin.readline()))
    threading.Thread(target=beat.go_on, daemon=True).start()
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), b"!")  # ready: the worker waits for it
    beat.listen()
    os._exit(0)  # the other thread may be waiting for a server that does not answer


if __name__ == "__main__":
    main()
