"""Commands as they are typed, each in a process of its own that was forked with the libraries loaded.

It has its own environment, output, error, signals and exit code, as one from a shell. What it lacks is the start of
the interpreter; `tests/e2e/test_cli.py` and `tests/e2e/test_up.py` start theirs from nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import reduction
from multiprocessing.process import BaseProcess
from subprocess import CompletedProcess
from typing import Any

from tests.forks import PROCESSES

ROOM = 1 << 24
"""Bytes that a command may write before anybody reads them."""


class Typed:
    """A command under way; to be used like a process of `asyncio`."""

    def __init__(self, process: BaseProcess, *outputs: tuple[asyncio.ReadTransport, asyncio.StreamReader]) -> None:
        self._process = process
        self._pipes = [pipe for pipe, _ in outputs]
        self.stdout, self.stderr = (reader for _, reader in outputs)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Nothing if it has ended: its number may be another's by now."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    async def wait(self) -> int:
        """Its exit code, once it has ended. What it wrote and nobody has read may be lost."""
        code = await self._ended()
        for pipe in self._pipes:
            pipe.close()
        await asyncio.sleep(0)  # that is when they close
        return code

    async def communicate(self) -> tuple[bytes, bytes]:
        """What is left of its output and of its error, once it has ended."""
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self._ended())
        return out, err

    async def _ended(self) -> int:
        await asyncio.to_thread(self._process.join)
        assert self.returncode is not None
        return self.returncode


async def typed(words: Sequence[str], environment: Mapping[str, str]) -> Typed:
    """Have a command begin."""
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    try:
        # Only while a process is being started can a descriptor be handed to it, so the arguments wrap them then.
        process = PROCESSES.Process(target=_run, args=(_Ends(out_end, err_end), list(words), dict(environment)))
        process.daemon = True
        process.start()
    finally:
        os.close(out_end)
        os.close(err_end)
    return Typed(process, await _reader(out), await _reader(err))


def done(words: Sequence[str], environment: Mapping[str, str]) -> CompletedProcess[str]:
    """A command that has ended, for tests without a loop."""

    async def ended() -> CompletedProcess[str]:
        process = await typed(words, environment)
        out, err = await process.communicate()
        return CompletedProcess(list(words), await process.wait(), out.decode(), err.decode())

    return asyncio.run(ended())


class _Ends:
    """The ends of two pipes, which become descriptors of the other process on their way there."""

    def __init__(self, out: int, err: int) -> None:
        self.numbers = (out, err)

    def __getstate__(self) -> Any:
        return [reduction.DupFd(number) for number in self.numbers]

    def __setstate__(self, state: Any) -> None:
        self.numbers = tuple(it.detach() for it in state)


async def _reader(descriptor: int) -> tuple[asyncio.ReadTransport, asyncio.StreamReader]:
    reader = asyncio.StreamReader(ROOM)
    protocol = asyncio.StreamReaderProtocol(reader)
    file, loop = os.fdopen(descriptor, "rb", buffering=0), asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: protocol, file)
    return pipe, reader


def _run(ends: _Ends, words: list[str], environment: dict[str, str]) -> None:
    for number, end in enumerate(ends.numbers, start=1):
        os.dup2(end, number)
        os.close(end)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["cuelight", *words]
    from cli.main import main  # only now: a command imports its modules under its own environment

    main()
