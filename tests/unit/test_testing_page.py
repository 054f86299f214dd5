"""The page about testing, run as a reader would: with pytest, our plugin, and nothing else."""

from __future__ import annotations

import asyncio
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from agent.cases import Case, dumped
from tests.runs import RIGHT, WRONG, case_of

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text()
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
INSTALLED = any(it.name == "cuelight" for it in metadata.entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "cli.pytest_plugin")


@pytest.fixture
def desk(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


def run(desk: pytest.Pytester, *words: str) -> pytest.RunResult:
    return desk.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", *words)


def test_every_block_of_the_page_passes(desk: pytest.Pytester) -> None:
    desk.makepyfile(test_page="\n".join(BLOCKS))
    run(desk).assert_outcomes(passed=6)


def test_the_plugin_comes_with_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"cuelight": "cli.pytest_plugin"}
    assert (ROOT / "cli" / "pytest_plugin.py").is_file()


async def kept() -> Case:
    case = await case_of(WRONG, RIGHT)
    return case.model_copy(update={"agent": case.agent.model_copy(update={"spec": "agent.agents:documents"})})


def test_a_case_file_is_a_test_and_its_report_shows_where_it_differs(desk: pytest.Pytester) -> None:
    text = dumped(asyncio.run(kept())).decode()
    (desk.path / "good.case.json").write_text(text)
    (desk.path / "bad.case.json").write_text(text.replace("nine lives", "nine cats", 1))
    (desk.path / "none.case.json").write_text("{}")
    done = run(desk)
    done.assert_outcomes(passed=1, failed=2)
    done.stdout.fnmatch_lines(["*bad.case.json: as recorded*", "*first difference: event *"])
    done.stdout.fnmatch_lines(["*NotACase: *none.case.json is no case*"])
    run(desk, "-o", "cuelight_cases=false").assert_outcomes()


def test_a_case_that_has_a_test_of_its_own_is_left_to_that(desk: pytest.Pytester) -> None:
    text = dumped(asyncio.run(kept())).decode()
    (desk.path / "good.case.json").write_text(text)
    (desk.path / "bad.case.json").write_text(text.replace("nine lives", "nine cats", 1))
    desk.makepyfile(
        test_bad="""
        from agent.testing import assert_as_then

        def test_bad(case, chain):
            assert_as_then(chain.again(case("bad.case.json")), "answer")
        """
    )
    run(desk).assert_outcomes(passed=2)


def test_what_calls_out_fails_while_a_chain_is_there(desk: pytest.Pytester) -> None:
    desk.makepyfile(
        test_out="""
        import socket, urllib.request

        def test_a_socket(chain):
            socket.create_connection(("192.0.2.1", 80), timeout=1)

        def test_a_page(chain):
            try:
                urllib.request.urlopen("http://192.0.2.1/", timeout=1)
            except Exception:
                pass

        def test_here(chain):
            with socket.socket() as server:
                server.bind(("127.0.0.1", 0))
                server.listen()
                socket.create_connection(server.getsockname(), timeout=5).close()
        """
    )
    done = run(desk)
    done.assert_outcomes(passed=1, failed=2)
    done.stdout.fnmatch_lines(["*LiveCall: something connects to 192.0.2.1:80*"])


def test_the_plugin_imports_nothing_of_ours_before_it_is_used(
    desk: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    desk.makepyfile("""
        import sys

        def test_nothing():
            assert not {"agent", "workers", "pydantic"} & set(sys.modules)
    """)
    desk.runpytest_subprocess(*PLUGIN, "-p", "no:hypothesispytest").assert_outcomes(passed=1)
