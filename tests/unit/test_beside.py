"""Work that holds up nobody: its answer, its errors, and its end when it takes too long."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable
from contextvars import ContextVar

import pytest

from agent import Transient
from agent.beside import TooSlow, beside
from agent.checks.draft import Draft
from agent.outcome import Bury, Postpone, RetryPolicy
from agent.steps import Validate, validate
from agent.testing import Script
from tests.unit.test_steps import RECEIVED, draft_of, run_of

WHO: ContextVar[str] = ContextVar("who")


async def test_work_is_done_in_another_thread_with_the_callers_context() -> None:
    WHO.set("me")
    ident, who = await beside(lambda: (threading.get_ident(), WHO.get()), most_s=60, what="work")
    assert (ident == threading.get_ident(), who) == (False, "me")


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), TimeoutError("its own"), Transient("later")])
async def test_what_work_raises_is_raised(error: Exception) -> None:
    def fails() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await beside(fails, most_s=60, what="work")
    assert raised.value is error


async def test_work_that_hangs_is_a_typed_failure_and_is_broken_off_though_it_catches_every_exception() -> None:
    ended = threading.Event()

    def hangs() -> None:
        try:
            while True:
                try:
                    while True:
                        pass
                except Exception:  # noqa: S110
                    pass
        finally:
            ended.set()

    with pytest.raises(TooSlow) as raised:
        await beside(hangs, most_s=0.05, what="the check")
    assert (raised.value.kind, str(raised.value)) == ("too_slow", "the check took longer than 0.05 s")
    assert ended.wait(60)


async def test_a_check_that_hangs_ends_its_run_with_a_typed_failure_after_three_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hangs(draft: Draft) -> Iterable[str]:
        while True:
            pass

    monkeypatch.setattr(validate, "MOST_S", 0.05)
    drafted = draft_of("Hello.")
    with pytest.raises(TooSlow) as raised:
        await Validate((hangs,), None, "")(drafted, run_of(RECEIVED, drafted), Script())
    outcomes = [RetryPolicy().settle(attempt, raised.value, 0.5) for attempt in (1, 2, 3)]
    assert [type(outcome) for outcome in outcomes] == [Postpone, Postpone, Bury]
    assert isinstance(outcomes[2], Bury)
    assert outcomes[2].failure.code == "too_slow"
    assert "Checking the answer took too long" in outcomes[2].failure.message


HOLDS = """
import asyncio, re
from agent.beside import beside
from workers.blocked import unblocked

async def work():
    await beside(lambda: re.match("(a+)+$", "a" * 64 + "b"), most_s=0.1, what="a pattern that runs away")

asyncio.run(unblocked(work(), most_s=0.5))
"""


def test_a_process_whose_interpreter_is_held_for_good_ends_itself_and_says_where() -> None:
    ended = subprocess.run([sys.executable, "-c", HOLDS], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "Timeout (0:00:00.5" in ended.stderr and "in match" in ended.stderr, ended.stderr
