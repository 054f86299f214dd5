"""Traces of failure, played with real worker processes: whatever happens, every promise to the client is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agent.adapters.embedded import Engines
from agent.testing.fake_model import Trace
from agent.testing.fake_model.trace import SUFFIX
from agent.testing.verdict import verdict
from tests.chaos.faults import TABLE
from tests.traces import company
from tests.traces.theatre import OF_ENGINES, OF_WORKERS, Theatre, opened

TRACES = sorted(Path(__file__).parent.glob(f"*{SUFFIX}"))

MOST_WORKERS = 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theatre(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Theatre]:
    home = tmp_path_factory.mktemp("theatre")
    async with opened(engines.urls, home, company.SPECS, models=company.MODELS, slots=1) as theatre:
        theatre.hire(MOST_WORKERS)
        yield theatre


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name.removesuffix(SUFFIX))
async def test_every_promise_is_kept_on_this_trace(theatre: Theatre, path: Path) -> None:
    trace = Trace.load(path)
    evidence = await theatre.play(trace)
    theatre.hire(MOST_WORKERS)  # whoever was killed is replaced while the next trace begins
    assert [str(it) for each in evidence for it in verdict(each)] == []
    assert [each.case.end for each in evidence] == list(trace.header.ends)


def test_what_a_trace_can_do_to_processes_is_called_as_in_the_fault_machine() -> None:
    assert {*OF_WORKERS, *OF_ENGINES} <= set(TABLE)
    assert {fault.fault for path in TRACES for _, fault in Trace.load(path).faults} == {*OF_WORKERS, *OF_ENGINES}
