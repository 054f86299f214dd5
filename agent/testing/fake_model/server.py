"""Serving the fake model: until cancelled, inside a test's event loop, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator

from agent.errors import Misconfigured
from agent.testing.fake_model.app import FakeApp
from agent.testing.fake_model.client import FakeModel
from agent.testing.fake_model.completion import dumps
from agent.testing.fake_model.following import Stagehand
from agent.testing.fake_model.script import Script
from agent.testing.fake_model.trace import Trace
from agent.testing.fake_model.wire import Wire

BACKLOG = 2_048
STOP_S = 5.0


async def serve(
    told: Script | Trace,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[int], None] | None = None,
    hand: Stagehand | None = None,
) -> None:
    """Serve until cancelled; then every connection is closed.

    Port 0 takes a free one; `ready` is told which, once connections are accepted. `hand` makes a trace's faults of
    processes. Raises `Misconfigured` if the address cannot be had, or for such a fault where there is no hand.
    """
    wires: set[Wire] = set()
    app = FakeApp(told, hand)
    try:
        server = await asyncio.get_running_loop().create_server(lambda: Wire(app, wires), host, port, backlog=BACKLOG)
    except OSError as error:
        raise Misconfigured(f"the fake model cannot listen on {host}:{port}: {error.strerror}") from error
    try:
        if ready is not None:
            ready(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()
        await _close(wires)


async def _close(wires: set[Wire]) -> None:
    open_wires = list(wires)
    for wire in open_wires:
        wire.abort()
    for wire in open_wires:
        wire.task.cancel()
    await asyncio.gather(*(wire.task for wire in open_wires), return_exceptions=True)


@contextlib.asynccontextmanager
async def running(told: Script | Trace, port: int = 0, hand: Stagehand | None = None) -> AsyncIterator[FakeModel]:
    """Serve in a task of the running loop for as long as the block lasts.

    A block that blocks the loop gets no answers: use `as_process` there. Raises `Misconfigured`.
    """
    bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(told, port=port, ready=bound.set_result, hand=hand))
    try:
        await asyncio.wait((task, bound), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield FakeModel.at(bound.result())
    finally:
        bound.cancel()
        task.cancel()
        await asyncio.wait((task,))


@contextlib.contextmanager
def as_process(told: Script | Trace, port: int = 0) -> Iterator[FakeModel]:
    """Serve in a process of its own for as long as the block lasts. Raises `Misconfigured`."""
    option, text = ("--script", dumps(told.plain())) if isinstance(told, Script) else ("--trace", told.dumped())
    command = [sys.executable, "-m", "agent.testing.fake_model", "--port", str(port), option, "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101  # both were asked for
        try:
            process.stdin.write(text)
            process.stdin.close()
            url = process.stdout.readline().decode().strip()
            if not url:
                raise Misconfigured("the fake model did not start; its process said why")
            yield FakeModel.at(int(url.rpartition(":")[2]))
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
