"""How a process hears that it shall stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import pytest

from cli.loop import run_until_stopped
from workers.jobs.office import Office
from workers.jobs.process import OfficeWorker, Stopping


class Told:
    """An office and a worker that note what they are told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def stop(self) -> None:
        self.words.append("hand back")

    def finish(self) -> None:
        self.words.append("take no more")


@pytest.fixture
def told() -> Iterator[Told]:
    """The handlers of this process are put back afterwards."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Told()
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_in_the_midst_of_code_that_swallows_exceptions(told: Told, number: signal.Signals) -> None:
    stopping = Stopping(cast(Office, told))
    stopping.worker = cast(OfficeWorker, told)
    stopping.install()
    went_on = False
    with suppress(Exception):
        signal.raise_signal(number)
        went_on = True
    assert went_on and stopping.asked
    assert told.words == ["hand back", "take no more"]


def test_a_second_signal_ends_the_process_as_usual(told: Told) -> None:
    Stopping(cast(Office, told)).install()
    signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGINT) == signal.SIG_DFL


class Finalized:
    """Rubbish in a circle, while whose removal Ctrl-C comes: what is raised there is lost."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_that_comes_while_a_command_still_begins_stops_it(told: Told) -> None:
    async def main(stop: asyncio.Event) -> None:
        told.words.append("stopped" if stop.is_set() else "missed")

    Finalized()
    run_until_stopped(main)
    assert told.words == ["stopped"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
