"""For pytest: fixtures for tests of agents, and case files as tests. Nothing of ours is imported before it is used."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agent.cases import Case
    from agent.definition import Agent
    from agent.testing import Script
    from agent.testing.chains import Chains
    from agent.testing.fake_model import FakeModel
    from agent.testing.replaying import Replayed

SUFFIX = ".case.json"


@pytest.fixture
def script() -> Callable[..., Script]:
    """Makes a script: `script(says("Noon."), faults=["rate_limited"])`."""
    from agent.testing import Script

    return Script


@pytest.fixture
def chain(request: pytest.FixtureRequest) -> Iterator[Chains]:
    """Makes the chain of an agent and a script, in memory, or runs a case again: `chain.again(case("x.case.json"))`.

    While the test lasts, nothing calls out.
    """
    from agent.testing import forbid_live_calls
    from agent.testing.chains import Chains

    _find_agents(request.config)
    with forbid_live_calls():
        yield Chains(str(request.config.getini("cuelight_agent")))


@pytest.fixture
def fake_model(request: pytest.FixtureRequest) -> Callable[..., AbstractContextManager[FakeModel]]:
    """Serves a script's lines as an OpenAI-compatible endpoint: `with fake_model({"answer": "Noon."}) as model:`.

    Or a trace beside the test: `with fake_model(trace="storm.trace.jsonl") as model:`.
    """
    from agent.testing.fake_model import Script, Trace, as_process

    def serve(*lines: Any, trace: str | None = None) -> AbstractContextManager[FakeModel]:
        return as_process(Script.of(lines) if trace is None else Trace.load(request.path.parent / trace))

    return serve


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Callable[[str], Case]:
    """Reads a case file beside the test: `case("refund.case.json")`."""
    from agent.cases import read

    return lambda name: read(request.path.parent / name)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("cuelight_cases", "whether *.case.json are collected as tests", type="bool", default=True)
    parser.addini("cuelight_agent", "module:attribute of the agent of cases that name none", default="")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A case file is one test: the run comes again as it was recorded. One that has a test file of its own is not."""
    if not file_path.name.endswith(SUFFIX) or not parent.config.getini("cuelight_cases"):
        return None
    if file_path.with_name(f"test_{file_path.name.removesuffix(SUFFIX)}.py").exists():
        return None
    found: CaseFile = CaseFile.from_parent(parent, path=file_path)
    return found


class CaseFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        item: CaseItem = CaseItem.from_parent(self, name="as recorded")
        yield item


class NotAsRecorded(Exception):
    """Carries what a replay came to, to the report."""

    def __init__(self, done: Replayed) -> None:
        super().__init__("the run did not come again as it was recorded")
        self.done = done


class CaseItem(pytest.Item):
    """One case, as recorded."""

    def runtest(self) -> None:
        from agent.cases import read
        from agent.testing.replaying import replay

        _find_agents(self.config)
        found = read(self.path)
        agent: Agent | str | None = found.agent.spec or str(self.config.getini("cuelight_agent")) or None
        done = asyncio.run(replay(found, agent))
        if not done.as_recorded:
            raise NotAsRecorded(done)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        error = excinfo.value
        if isinstance(error, NotAsRecorded):
            return _report(error.done)
        return f"{type(error).__name__}: {error}"

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.path.name}: as recorded"


def _find_agents(config: pytest.Config) -> None:
    """The agents of a project lie in its root."""
    home = str(config.rootpath)
    if home not in sys.path:
        sys.path.append(home)


def _report(done: Replayed) -> str:
    from cli.comparing import as_text

    return as_text(done)
