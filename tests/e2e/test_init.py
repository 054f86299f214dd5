"""`cuelight init`: what it writes works as it stands, and nothing is overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from agent.definition import load
from agent.flow import examine
from agent.prompting import PromptBook
from tests.e2e.typed import done

ROOT = Path(__file__).parents[2]


def init(*words: object) -> CompletedProcess[str]:
    return done(["init", *map(str, words)], {**os.environ, "COLUMNS": "80"})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("there") / "new"
    ended = init(directory, "--name", "shop_hours")
    assert ended.returncode == 0, ended.stderr
    assert f"wrote {directory / 'shop_hours.py'}\n" in ended.stdout
    assert "\n  export CUELIGHT_AGENT=shop_hours:shop_hours\n" in ended.stdout
    return directory


def files(directory: Path) -> dict[str, str]:
    found = (path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(directory)): path.read_text() for path in found}


def test_its_tests_pass_without_engines_and_wherever_pytest_is_started(written: Path, tmp_path: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("CUELIGHT_", "PYTEST_"))}
    words = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    here: dict[str, Any] = {"cwd": tmp_path, "env": {**plain, "PYTHONPATH": str(ROOT)}}
    ended = subprocess.run([*words, str(written)], **here, capture_output=True, text=True, check=False)
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


def test_nothing_is_wrong_with_its_flow(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written)
    monkeypatch.setattr("sys.path", [*sys.path])
    bound = load("shop_hours:shop_hours").bind(PromptBook.here(), ("m",))
    assert examine(bound) == []
    assert bound.prompts["shop_hours"].startswith("1.0.0+")


def test_it_goes_by_its_name_and_no_other(written: Path) -> None:
    told = files(written)
    assert sorted(told) == [
        "README.md",
        "prompts/shop_hours/prompt.yaml",
        "prompts/shop_hours/repair.j2",
        "prompts/shop_hours/system.j2",
        "prompts/shop_hours/user.j2",
        "shop_hours.py",
        "tests/conftest.py",
        "tests/test_shop_hours.py",
    ]
    assert not [name for name, words in told.items() if "my_agent" in words]


def test_nothing_is_overwritten_and_then_nothing_is_written_at_all(written: Path, tmp_path: Path) -> None:
    before = files(written)
    again = init(written, "--name", "shop_hours")
    assert again.returncode == 3 and "shop_hours.py" in again.stderr
    assert files(written) == before
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text("mine")
    assert init(tmp_path).returncode == 3
    assert files(tmp_path) == {"tests/conftest.py": "mine"}


def test_a_readme_that_is_there_stays_and_the_rest_is_written(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert init(tmp_path).returncode == 0
    assert files(tmp_path)["README.md"] == "mine"
    assert (tmp_path / "my_agent.py").is_file()


@pytest.mark.parametrize("name", ["agent", "json", "class", "My-Agent", "../up", ""])
def test_a_name_that_cannot_be_a_module_of_its_own_is_a_wrong_command_line(name: str, tmp_path: Path) -> None:
    assert init(tmp_path, "--name", name).returncode == 2
    assert files(tmp_path) == {}


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ended = init(tmp_path / "file" / "below")
    assert ended.returncode == 3 and "cannot be written" in ended.stderr
