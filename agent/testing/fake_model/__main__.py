"""`python -m agent.testing.fake_model --port N [--script FILE | --trace FILE]`: the fake model as a process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from agent.errors import Misconfigured
from agent.testing.fake_model.script import Script
from agent.testing.fake_model.server import serve
from agent.testing.fake_model.trace import Trace


def _announce(port: int) -> None:
    sys.stdout.write(f"http://127.0.0.1:{port}\n")
    sys.stdout.flush()


async def _serve(told: Script | Trace, port: int) -> None:
    task = asyncio.ensure_future(serve(told, port=port, ready=_announce))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Serve until a signal comes. The first line on stdout is the URL; `-` for a file reads stdin."""
    parser = argparse.ArgumentParser(prog="python -m agent.testing.fake_model")
    parser.add_argument("--port", type=int, default=0)
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--script", type=Path)
    told.add_argument("--trace", type=Path)
    given = parser.parse_args()
    try:
        asyncio.run(_serve(_trace(given.trace) if given.trace else _script(given.script), given.port))
    except Misconfigured as error:
        sys.exit(str(error))


def _script(path: Path | None) -> Script:
    if path is None:
        return Script()
    return Script.parse(sys.stdin.buffer.read()) if str(path) == "-" else Script.load(path)


def _trace(path: Path) -> Trace:
    return Trace.parse(sys.stdin.buffer.read()) if str(path) == "-" else Trace.load(path)


if __name__ == "__main__":
    main()
