"""Finished work that the ledger cannot take: on disk at once, and brought to the ledger by whoever comes next."""

from __future__ import annotations

import asyncio
import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from agent.errors import Overloaded, Transient
from agent.events import Usage
from agent.outcome import Bury, Outcome, Postpone, RetryPolicy, failure_of
from agent.ports import Begun, Call, Delivery
from agent.testing import MemoryLedger, MemoryStreams
from tests.contract.toys import advance, finish, model_call, new_run
from workers import spill
from workers.persistent import Persistent
from workers.spill import Spill, dump, load

OUTCOMES = (
    advance(3, "second"),
    finish(4),
    Postpone(2.5, "rate_limited", "later", counted=False),
    Bury("server", "gone", failure_of("server", 2)),
    RetryPolicy().settle(1, Overloaded("busy", retry_after_s=3.0), 0.5),
)


def answered() -> Call:
    call = model_call()
    call.status, call.answer, call.cost_usd = "answered", '{"text":"ß \\u0001"}', Decimal("0.000012")
    call.usage, call.worst_case_usd, call.model = Usage(input_tokens=7, output_tokens=2), Decimal("0.1"), "m"
    return call


async def begun_in(ledger: MemoryLedger) -> Begun:
    new = new_run()
    await ledger.open(new)
    begun = await ledger.begin(Delivery(new.pointer, "1-0", "w1"))
    assert begun is not None
    begun.calls.append(answered())
    return begun


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.*"))


async def until_spilled(directory: Path) -> Path:
    async with asyncio.timeout(20):
        while not (found := [path for path in files(directory) if path.suffix == ".json"]):  # noqa: ASYNC110  # a file system rings no bell
            await asyncio.sleep(0)
    return found[0]


def orphaned(path: Path) -> Path:
    """As if the process that wrote it were dead."""
    return path.rename(path.with_name(path.name.replace(str(os.getpid()), str(2**22 + 1), 1)))


@pytest.mark.parametrize("outcome", [*OUTCOMES, None], ids=lambda it: type(it).__name__)
async def test_a_finished_delivery_is_read_back_as_it_was(outcome: Outcome | None) -> None:
    begun = await begun_in(MemoryLedger())
    again, settled = load(dump(begun, outcome))
    assert settled == outcome
    assert (again.pointer, again.token, again.deliveries, again.deadline) == (
        begun.pointer,
        begun.token,
        begun.deliveries,
        begun.deadline,
    )
    assert again.calls == begun.calls
    assert again.calls[0].effect.hash() == begun.calls[0].effect.hash()


async def test_what_cannot_be_committed_is_on_disk_and_gone_from_there_once_it_is_written(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    begun = await begun_in(ledger)
    ledger.reachable = False
    writing = asyncio.create_task(
        Persistent(ledger, Spill(tmp_path / "spill"), MemoryStreams()).commit(begun, finish(1))
    )
    path = await until_spilled(tmp_path / "spill")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    ledger.reachable = True
    assert await writing
    assert files(path.parent) == []


async def test_calls_of_one_delivery_that_end_at_once_do_not_write_over_one_another(tmp_path: Path) -> None:
    begun, kept = await begun_in(MemoryLedger()), Spill(tmp_path)
    paths = await asyncio.gather(*(asyncio.to_thread(kept.keep, begun, None) for _ in range(32)))
    assert len({*paths}) == 32 and None not in paths, "what is written for one of them takes away no other's file"
    assert all(path is not None and load(path.read_bytes())[0].calls == begun.calls for path in paths)


async def test_an_outcome_of_a_worker_that_is_gone_is_settled_by_the_next_one(tmp_path: Path) -> None:
    ledger, streams = MemoryLedger(), MemoryStreams()
    begun = await begun_in(ledger)
    ledger.reachable = False
    writing = asyncio.create_task(Persistent(ledger, Spill(tmp_path), streams).commit(begun, advance(3, "second")))
    path = orphaned(await until_spilled(tmp_path))
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    heir = Persistent(ledger, Spill(tmp_path), streams)
    with pytest.raises(Transient):
        await heir.adopt()
    assert path.exists(), "nothing is thrown away while the ledger is away"
    ledger.reachable = True
    assert await heir.adopt() == 1
    assert not path.exists()
    assert (ledger.work[begun.pointer.run].pointer.seq, ledger.work[begun.pointer.run].pointer.route) == (2, "second")
    assert [call.status for call in ledger.calls.values()] == ["answered"]
    assert await heir.adopt() == 0


async def test_a_spilled_outcome_that_comes_too_late_changes_nothing_but_its_bill_is_kept(tmp_path: Path) -> None:
    ledger, streams = MemoryLedger(), MemoryStreams()
    begun = await begun_in(ledger)
    kept = Spill(tmp_path).keep(begun, finish(99))
    assert kept is not None
    orphaned(kept)
    other = await ledger.begin(Delivery(begun.pointer, "1-0", "w2"))
    assert other is not None
    assert await ledger.commit(other, finish(1))
    await Persistent(ledger, Spill(tmp_path), streams).adopt()
    assert len(ledger.events[begun.pointer.run]) == 2
    assert '"total":1' in ledger.events[begun.pointer.run][-1].sealed.data
    assert [(call.status, call.cost_usd) for call in ledger.calls.values()] == [("answered", Decimal("0.000012"))]


async def test_nothing_is_begun_before_what_the_dead_left_is_in_the_ledger(tmp_path: Path) -> None:
    ledger, streams = MemoryLedger(), MemoryStreams()
    begun = await begun_in(ledger)
    heir = Persistent(ledger, Spill(tmp_path), streams)
    kept = Spill(tmp_path).keep(begun, finish(1))
    assert kept is not None
    orphaned(kept)
    assert await heir.begin(Delivery(begun.pointer, "1-0", "w2")) is None, "it would have been paid for again"
    assert [call.status for call in ledger.calls.values()] == ["answered"]
    assert files(tmp_path) == []


async def test_files_of_processes_that_live_are_left_alone(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    mine = Spill(tmp_path).keep(await begun_in(ledger), finish(1))
    assert mine is not None
    assert Spill(tmp_path).orphans() == []
    assert mine.exists()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"format": 99}', b'{"format": 1, "begun": {}}'])
async def test_a_file_that_cannot_be_read_is_set_aside_and_stops_nothing(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "1-1-x-outcome.json").write_bytes(text)
    assert await Persistent(MemoryLedger(), Spill(tmp_path), MemoryStreams()).adopt() == 0
    assert [path.name for path in files(tmp_path)] == ["1-1-x-outcome.unreadable"]


async def test_a_full_spill_directory_leaves_the_outcome_in_memory(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    begun = await begun_in(ledger)
    (tmp_path / "other").write_bytes(b"x" * 20)
    assert Spill(tmp_path, most_bytes=10).keep(begun, finish(1)) is None
    ledger.reachable = False
    persistent = Persistent(ledger, Spill(tmp_path, most_bytes=10), MemoryStreams())
    writing = asyncio.create_task(persistent.commit(begun, finish(1)))
    await asyncio.sleep(0)
    ledger.reachable = True
    assert await writing


def test_a_directory_that_cannot_be_written_is_no_error_of_the_delivery(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    begun = asyncio.run(begun_in(MemoryLedger()))
    assert Spill(tmp_path / "file").keep(begun, finish(1)) is None
    assert spill.FORMAT == 1
