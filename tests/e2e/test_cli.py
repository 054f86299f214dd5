"""The commands as an operator types them, against a service that really runs."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import structlog
from rich.console import Console

from agent.access import Project
from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, Problem
from agent.prompting import SHIPPED
from agent.settings import Settings
from cli.ask import facts, print_answer
from cli.logs import configure
from cli.plain import plain, text
from tests.e2e.typed import done
from tests.engines import temporary_directory

COMMAND = [sys.executable, "-m", "cli.main"]
DOCUMENT = "# Warranty\n\nThe warranty of the lamp lasts two years.\n\n# Shipping\n\nParcels leave at noon.\n"
HOSTILE = "\x1b[2J[bold]x[/bold]\u202e\x07\udc80"


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CUELIGHT_")}
    return {**kept, "CUELIGHT_LOG_LEVEL": "error", "COLUMNS": "80"}


def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return done(words, {**environment(), **more})


@pytest.fixture(scope="module")
def service() -> Iterator[Path]:
    """The data directory of a running service that has one document."""
    with temporary_directory() as root:
        shelf = root / "docs"
        shelf.mkdir()
        (shelf / "warranty.md").write_text(DOCUMENT)
        up = [*COMMAND, "up", "--port", "0", "--data-dir", str(root / "d"), "--documents", str(shelf)]
        with subprocess.Popen(up, stdout=subprocess.PIPE, text=True, env=environment()) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline().startswith("ready: ")
                yield root / "d"
            finally:
                process.terminate()


@pytest.fixture(scope="module")
def asked(service: Path) -> subprocess.CompletedProcess[str]:
    return run("ask", "How long does the warranty of the lamp last?", "--data-dir", str(service))


def test_search_shows_what_a_question_finds_and_asks_no_model(service: Path, tmp_path: Path) -> None:
    at = ("--data-dir", str(service))
    told = run("search", "When do parcels leave?", "--limit", "1", *at)
    assert told.returncode == 0, told.stderr
    assert re.match(
        r"p1  \d+\.\d\d  Warranty › Shipping  docs/warranty.md\n    Parcels leave at noon.\n1 passage of", told.stdout
    )
    (tmp_path / "notes.md").write_text(f"Parcels {HOSTILE[:-1]} leave at night.\n")
    ingested = run("ingest", str(tmp_path / "notes.md"), "--attribute", "year=2024", "--attribute", "kind=night", *at)
    assert ingested.returncode == 0, ingested.stderr
    narrowed = run("search", "parcels", "--where", "kind=night", "--where", "year=2024", "--json", *at)
    found = json.loads(narrowed.stdout)
    assert [it["source"] for it in found["passages"]] == ["notes.md"]
    assert narrowed.stdout.isascii()
    assert HOSTILE[:4] not in run("search", "night", *at).stdout
    ends = {("--where", "year=2025"): 1, ("--where", "year"): 2, ("--collection", "none"): 4, ("--project", "none"): 4}
    assert {words: run("search", "parcels", *words, *at).returncode for words in ends} == ends


def test_addresses_of_a_list_are_told_one_by_one_and_private_ones_are_not_fetched(
    service: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text("http://127.0.0.1:9/\nhttp://169.254.169.254/latest/meta-data/\n\x1b[2J\nftp://host/\n")
    told = run("ingest", "--urls", str(listed), "--data-dir", str(service))
    assert told.returncode == 1
    assert "0 added" in told.stderr and "\x1b[2J" not in told.stderr
    assert len(re.findall(r"^http://\S+ +an address of a private network", told.stderr, re.MULTILINE)) == 2
    assert len(re.findall(r"^(?:ftp|\\x1b)\S+ +not an address of the web", told.stderr, re.MULTILINE)) == 2
    at = ("--data-dir", str(service))
    assert [run("ingest", *words, *at).returncode for words in ((), ("--urls", "/no/where"))] == [2, 4]
    assert (
        run("ingest", "--urls", str(listed), *at, CUELIGHT_INGEST_ALLOW_PRIVATE="true").stderr.count("cannot be") == 1
    )


def run_of(asked: subprocess.CompletedProcess[str]) -> str:
    found = re.search(r"resp_[0-9a-f]{32}\b", asked.stderr)
    assert found
    return found[0]


def test_ask_shows_each_hop_and_prints_the_answer_with_its_source(asked: subprocess.CompletedProcess[str]) -> None:
    assert asked.returncode == 0, asked.stderr
    assert "lasts two" in asked.stdout and "[1] " in asked.stdout
    assert "/passages/psg_" in asked.stdout, "the page of the passage can be opened"
    hops = re.findall(r"^(\w+\.\w+) ", asked.stderr, re.MULTILINE)
    assert hops == ["request.received", "passages.found", "answer.drafted", "answer.accepted"]


def test_ask_without_a_service_says_what_to_start(tmp_path: Path) -> None:
    ended = run("ask", "Anything?", "--data-dir", str(tmp_path))
    assert ended.returncode == 3 and "cuelight up" in ended.stderr


def test_without_a_service_there_is_nothing_to_examine_or_to_follow(tmp_path: Path) -> None:
    for command in ("doctor", "tail"):
        ended = run(command, "--data-dir", str(tmp_path))
        assert ended.returncode == 3 and "no service runs" in ended.stderr


def test_ask_for_an_agent_that_is_not_there_is_not_found(service: Path) -> None:
    assert run("ask", "Anything?", "--agent", "nobody", "--data-dir", str(service)).returncode == 4


def test_show_tells_events_attempts_and_the_ending(service: Path, asked: subprocess.CompletedProcess[str]) -> None:
    shown = run("show", run_of(asked), "--data-dir", str(service))
    assert shown.returncode == 0, shown.stderr
    told = ["request.received", "retrieve", "attempt 1, delivery 1", "search", "offline@offline", "completed after"]
    assert [word for word in told if word not in shown.stdout] == []
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_show_as_json_holds_the_full_data_of_events(service: Path, asked: subprocess.CompletedProcess[str]) -> None:
    story = json.loads(run("show", run_of(asked), "--json", "--data-dir", str(service)).stdout)
    assert story["events"][1]["data"]["passages"][0]["text"]
    assert {row["settled"] for row in story["attempts"]} == {True}
    assert story["work"] is None
    versions = {f"{name}@{version}" for name, version in story["run"]["prompts"].items()}
    assert {row["prompt"] for row in story["events"]} == versions and len(versions) == 1


def test_show_of_an_unknown_run_is_not_found(service: Path) -> None:
    ended = run("show", "resp_nothing", "--data-dir", str(service))
    assert ended.returncode == 4 and "resp_nothing" in ended.stderr


def test_show_in_a_directory_without_a_ledger_makes_none(tmp_path: Path) -> None:
    ended = run("show", "resp_1", "--data-dir", str(tmp_path / "mistyped"))
    assert ended.returncode == 3
    assert "there is no ledger in" in ended.stderr
    assert not (tmp_path / "mistyped").exists()


def test_a_database_in_the_settings_comes_before_the_one_that_runs_in_the_data_directory(service: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    ended = run("show", "resp_1", "--data-dir", str(service), CUELIGHT_DATABASE_URL=url)
    assert ended.returncode == 3
    assert "PostgreSQL cannot be reached" in ended.stderr


@pytest.mark.parametrize("command", ["up", "api", "fake-model"])
def test_a_port_that_cannot_be_is_a_wrong_command_line(command: str) -> None:
    assert run(command, "--port", "65536").returncode == 2


def test_agents_are_listed_and_their_flows_hold(tmp_path: Path) -> None:
    assert "documents" in run("agents").stdout
    older = shutil.copytree(SHIPPED / "answer", tmp_path / "answer@0.9.0")
    header = older / "prompt.yaml"
    header.write_text(re.sub(r"version: \S+", "version: 0.9.0", header.read_text()))
    checked = run("agents", "check", CUELIGHT_PROMPTS_DIR=str(tmp_path))
    assert checked.returncode == 0 and "answer.accepted*" in checked.stdout
    assert re.search(r"prompt answer@\d\S+\n +kept for runs on their way: 0\.9\.0\+\w{8}\n", checked.stdout)


def test_an_agent_that_cannot_be_loaded_is_refused() -> None:
    assert run("agents", "check", CUELIGHT_AGENT="nowhere:nothing").returncode == 3


def test_an_agent_whose_model_is_not_configured_is_named_by_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "strays.py").write_text(
        'from agent import Agent\nstray = Agent(name="stray", prompt="chat", models=("nova",))\n'
    )
    checked = run("agents", "check", CUELIGHT_AGENT="strays:stray")
    assert checked.returncode == 1 and "model 'nova' is not configured; there is offline" in checked.stdout


def test_the_offline_model_passes_the_fixed_questions() -> None:
    assert "built in" in run("models").stdout
    checked = run("models", "check")
    assert checked.returncode == 0 and re.search(r"offline +5 +0 +0 ", checked.stdout)


def test_the_fake_model_says_when_it_is_ready_and_a_model_that_only_fails_is_found() -> None:
    fake = [*COMMAND, "fake-model", "--port", "0"]
    with subprocess.Popen(fake, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().removeprefix("ready: ").strip()
            checked = run("models", "check", CUELIGHT_MODEL_BASE_URL=f"{url}/v1", CUELIGHT_MODELS="m1")
        finally:
            process.terminate()
    assert checked.returncode == 1 and re.search(r"m1 +0 +0 +5 ", checked.stdout)
    assert process.returncode == 0


def test_nothing_of_hostile_text_reaches_the_terminal_as_a_command() -> None:
    shown = plain(HOSTILE)
    assert shown.isprintable()
    assert "[bold]x[/bold]" in shown and "\\x1b" in shown and "\\u202e" in shown


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_a_bug_repeats_of_hostile_text_is_logged_harmlessly(
    form: Literal["console", "json"], capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    try:
        configure(Settings(log_format=form), "worker")
        try:
            raise ValueError(f"no number: {HOSTILE}\x9b")
        except ValueError:
            structlog.get_logger().exception("attempt_failed", error=HOSTILE)
    finally:
        structlog.configure(**before)
        structlog.contextvars.unbind_contextvars("role")
    told = capsys.readouterr().err
    assert "no number: " in told and "attempt_failed" in told
    assert [each for each in ("\x1b[2J", "\x9b", "\u202e") if each in told] == []


def test_markup_in_text_is_shown_and_does_nothing() -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="standard").print(text(HOSTILE))
    assert "[bold]x[/bold]" in out.getvalue() and "\x1b[2J" not in out.getvalue()


def test_an_answer_with_escape_sequences_is_printed_without_them() -> None:
    out = io.StringIO()
    print_answer(Console(file=out), AnswerAccepted(text=f"one\n{HOSTILE}"), None, Project("default"))
    assert "one\n" in out.getvalue() and "\x1b" not in out.getvalue()


def test_a_hop_says_nothing_of_an_unchecked_draft() -> None:
    drafted = AnswerDrafted(draft="secret words", model="m", endpoint="e", prompt="p@1.0.0+aa")
    rejected = DraftRejected(problems=(Problem(check="quotes", message="secret words"),), repairs=0)
    assert "secret" not in facts(drafted) + facts(rejected)
