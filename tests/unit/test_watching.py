"""What somebody is told who waits for a job."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.jobs import Hold
from agent.testing import MemoryLedger, MemoryLetters
from agent.testing.jobs import MemoryJobs
from cli import watching


@pytest.mark.parametrize(("busy", "told"), [(True, "works on {}"), (False, "nobody works on jobs")])
async def test_whoever_waits_for_a_job_that_nobody_took_is_told_why(
    busy: bool, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def pause(stop: asyncio.Event) -> None:
        stop.set()

    monkeypatch.setattr(watching, "UNTAKEN_S", -1.0)
    monkeypatch.setattr(watching, "_pause", pause)
    ledger = MemoryLedger()
    jobs = MemoryJobs(ledger, MemoryLetters(ledger))
    first, _ = await jobs.ask("retention", "{}", "root", None)
    if busy:
        await jobs.take(Hold(first.id, "vm"), 60.0)
    second, _ = await jobs.ask("evaluation", "{}", "root", 7)
    await watching._watch(cast(Any, SimpleNamespace(jobs=jobs)), second.id, asyncio.Event(), [])
    assert told.format(first.id) in capsys.readouterr().err
