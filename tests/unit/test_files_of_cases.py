"""Commands on a case that nobody exported: what they write and print holds no secret, and `--redact` does its work."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from agent import Agent, McpServer
from agent.cases import dumped, loads
from agent.settings import Settings
from cli.case_of import secrets_of
from cli.main import build
from tests.runs import RIGHT, case_of

NAMED, TOKEN, OF_URL, ANNA = "plum harbour 41", "sk-proj-Zm9vYmFyMTIzNDU2Nzg5", "oxbow5", "anna@lamps.example"
SECRETS = (NAMED, TOKEN, OF_URL)
Type = Callable[..., Result]


@pytest.fixture
async def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A case that is as it was recorded."""
    monkeypatch.setenv("CUELIGHT_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("SHOP_DB", f"postgres://shop:{OF_URL}@db/shop")
    monkeypatch.setenv("SHOP_PASS", NAMED)
    for command in ("replay", "export", "make_test"):
        monkeypatch.setattr(f"cli.{command}.configure", lambda *_: None)  # the log of this process is the tests'
    made = await case_of(RIGHT, question=f"{NAMED}, {TOKEN}, {OF_URL} and {ANNA}: how long is the warranty?")
    path = tmp_path / "one.case.json"
    path.write_bytes(
        dumped(made.model_copy(update={"agent": made.agent.model_copy(update={"spec": "agent.agents:documents"})}))
    )
    return path


def typed(*words: str) -> Result:
    return CliRunner().invoke(build([words[0]]), list(words))


@pytest.mark.parametrize(
    "words",
    [
        ("export", "FILE", "-o", "OUT/a.case.json"),
        ("export", "FILE", "--trace", "OUT/a.trace.jsonl"),
        ("make-test", "FILE", "--dir", "OUT", "--name", "kept"),
        ("replay", "FILE", "--what-if", "-o", "OUT/a.case.json"),
        ("replay", "FILE", "--what-if", "--model", "other", "--json"),
    ],
)
def test_a_case_that_was_never_exported_is_passed_on_without_its_secrets(
    words: tuple[str, ...], file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    done = typed(*(it.replace("FILE", str(file)).replace("OUT", str(out)) for it in words))
    assert done.exit_code == 0 or "--json" in words, done.output
    told = done.output + "".join(path.read_text() for path in out.iterdir())
    assert ANNA in told or "--trace" in words
    assert [secret for secret in SECRETS if secret in told] == []


def test_redact_is_for_a_file_too(file: Path, tmp_path: Path) -> None:
    for _ in range(2):
        out = tmp_path / "out.case.json"
        done = typed("export", str(file), "--redact", "-o", str(out))
        assert done.exit_code == 0 and "1 email" in done.output.replace("\n", " "), done.output
        assert not [it for it in (*SECRETS, ANNA) if it in out.read_text()]
        assert typed("replay", str(out), "--as-recorded").exit_code == 0
        typed("export", str(file), "-o", str(file))  # an export is redacted as well as what nobody exported


def test_an_export_is_taken_as_it_is(file: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.case.json", tmp_path / "second.case.json"
    typed("export", str(file), "-o", str(first))
    typed("export", str(first), "-o", str(second))
    assert loads(first.read_bytes()).written.at and first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "words", [("replay", "--as-recorded"), ("replay", "--what-if"), ("export",), ("make-test", "--dir", ".")]
)
def test_a_file_that_is_not_there_is_told_as_such(words: tuple[str, ...], file: Path) -> None:
    done = typed(words[0], str(file.with_name("no.case.json")), *words[1:])
    assert (done.exit_code, "there is no file" in done.output) == (4, True), done.output


def test_a_trace_goes_to_standard_output_too(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = typed("export", str(file), "--trace", "-")
    assert done.exit_code == 0 and not Path("-").exists()
    assert [orjson.loads(line) for line in done.stdout.splitlines()]


def test_what_is_too_large_is_told_in_figures_that_differ(file: Path) -> None:
    done = typed("export", str(file), "-o", "-", "--most-mb", "0.001")
    assert done.exit_code == 1 and re.search(r"has 0\.01\d+ MB and may have 0\.001", done.output), done.output


def test_secrets_of_addresses_variables_and_headers_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DOOR", "Bearer velvet-anchor")
    monkeypatch.setenv("BROKER", "amqp://shop:p%40ss-word@mq/?api_key=lan-tern")
    monkeypatch.setenv("MAIL_PWD", "tin-42")
    monkeypatch.setenv("ODD", "http://[::1")
    server = McpServer("shop", "https://shop.example/mcp", ("find",), headers_env={"Authorization": "SHOP_DOOR"})
    settings = Settings(model_base_url="https://me:gate-way@models.example/v1", models=("m",))
    known = set(secrets_of(settings, Agent(name="shop", prompt="chat", tools=(server,))))
    assert {"velvet-anchor", "p@ss-word", "p%40ss-word", "lan-tern", "tin-42", "gate-way"} <= known
