"""The test that is made of a case: its file holds no text that could be read as code; the command says no clearly."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent import Ask, Before, Event, RequestReceived, Run
from agent.agents import documents
from agent.cases import Case, dumped, read
from agent.cases.causes import Cause, Kind, cause_of
from agent.errors import Misconfigured, Transient
from cli import make_test
from cli.exits import Exit
from cli.made_test import MadeTest, literal, name_of, pieces, plain_name, said
from cli.main import build
from tests.runs import RIGHT, WRONG, case_of

HOSTILE = 'x"""\nimport os; os.system("true")\n\'\'\' \u202e \\N{BULLET} \x00 \ud800 {{7*7}} `id` # é'
OTHER = {**WRONG, "answer": "It has two years of warranty."}


def with_agent(case: Case, **agent: Any) -> Case:
    return case.model_copy(update={"agent": case.agent.model_copy(update={"spec": "agent.agents:documents", **agent})})


GOOD = with_agent(asyncio.run(case_of(RIGHT)))
BAD = with_agent(asyncio.run(case_of(WRONG, OTHER, WRONG)))
AWAY = with_agent(asyncio.run(case_of(*[Transient("no", kind="transport")] * 14)))


async def _broken(event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
    raise KeyError("broken")


TEXTS = [
    "",
    "a",
    "it's",
    'say "so"',
    "'\"",
    "\\",
    HOSTILE,
    HOSTILE * 9,
    "".join(map(chr, range(0x3000))),
    "\U0001f4a1" * 99,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_becomes_a_literal_in_ascii_and_in_a_docstring_nothing_that_ends_it(text: str) -> None:
    for told in (literal(text), *pieces(text)):
        assert told.isascii() and told.isprintable()
    assert ast.literal_eval(literal(text)) == text == "".join(map(ast.literal_eval, pieces(text)))
    assert not set(said(text)) & {'"', "\\", "\n", "\r"} and said(text).isascii() and len(said(text)) <= 200


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("outside", [True, False])
def test_hostile_texts_of_a_case_stay_texts(kind: Kind, outside: bool) -> None:
    hostile = GOOD.model_copy(update={"run": GOOD.run.model_copy(update={"id": HOSTILE})})
    cause = Cause(kind, HOSTILE, HOSTILE, (HOSTILE,), outside, deadly=True)
    made = MadeTest(plain_name(HOSTILE), hostile, cause, [HOSTILE, HOSTILE * 9], HOSTILE)
    text = made.text()
    assert text.isascii() and "\r" not in text
    docstring, imported, function = ast.parse(text).body
    assert isinstance(docstring, ast.Expr) and isinstance(imported, ast.ImportFrom)
    assert isinstance(function, ast.FunctionDef) and function.name == f"test_{plain_name(HOSTILE)}"
    called = {it.func.id for it in ast.walk(function) if isinstance(it, ast.Call) and isinstance(it.func, ast.Name)}
    assert called <= {"case", "script", "says", *(name.name for name in imported.names)}
    known = {it.value for it in ast.walk(function) if isinstance(it, ast.Constant) and isinstance(it.value, str)}
    told = {made.case_file, HOSTILE, HOSTILE * 9, "answer", "citations", "verdicts", "calls"}
    assert known <= told


def test_files_are_called_after_the_agent_the_ending_and_the_run() -> None:
    assert name_of(BAD) == "documents_no_valid_answer_000001"
    assert plain_name("../../etc/passwd\n") == "etc_passwd" and plain_name("é") == "case"


def make(folder: Path, *words: str, case: Case = BAD, **environment: str) -> tuple[int, str]:
    path = folder / "some.case.json"
    path.write_bytes(dumped(case))
    return type_in(folder, str(path), *words, **environment)


def type_in(folder: Path, *words: str, **environment: str) -> tuple[int, str]:
    line = ["make-test", *words]
    done = CliRunner().invoke(build(line), line, env={"CUELIGHT_DATA_DIR": str(folder), **environment})
    code = Exit.REFUSED if isinstance(done.exception, Misconfigured) else done.exit_code  # as `main` has it
    return code, " ".join((done.stdout + done.stderr + str(done.exception or "")).split())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(make_test, "configure", lambda *_: None)
    (tmp_path / "cases").mkdir()
    return tmp_path


def test_where_no_model_was_asked_then_the_command_says_that_the_test_needs_its_words(folder: Path) -> None:
    needs = "No model was asked then: if one is once the cause is mended, the test needs its words"
    broken = with_agent(asyncio.run(case_of(agent=replace(documents, steps=(Before("retrieve", "broke", _broken),)))))
    words = ("--dir", str(folder / "cases"), "--name")
    assert needs in make(folder, *words, "broken", case=broken)[1]
    assert needs not in make(folder, *words, "scripted", "--answer", "No.", case=broken)[1]
    assert needs not in make(folder, *words, "bad")[1] + make(folder, *words, "good", case=GOOD)[1]


def test_the_command_says_which_kind_it_is_why_and_what_the_test_says_now(folder: Path) -> None:
    code, told = make(folder, "--dir", str(folder / "cases"))
    assert code == 0 and "mendable: no_valid_answer: no draft passed the checks: quotes_are_found" in told
    assert "now it fails: it fails as it did then: no_valid_answer" in told
    assert (folder / "cases" / "some.case.json").stat().st_mode & 0o777 == 0o600
    code, told = make(folder, "--dir", str(folder / "cases"), "--name", "good", case=GOOD)
    assert code == 0 and "ended well: it was answered" in told and "now it passes" in told
    code, told = make(folder, "--dir", str(folder / "cases"), "--name", "away", "--answer", "No.", case=AWAY)
    assert "--answer is left out" in told and "says" not in (folder / "cases" / "test_away.py").read_text()
    assert code == 0 and "the world's fault: transport: " in told and "now it passes" in told
    code, told = make(folder, "--dir", str(folder / "cases"), "--name", "no", "--expect", "/[Tt]hree/", case=GOOD)
    assert code == 0 and "now it fails: nothing in the answer matches '[Tt]hree'" in told


GOLDEN = sorted((Path(__file__).parents[1] / "cases").glob("*.case.json"))
SAYS = {
    Kind.MENDABLE: "now it fails: it fails as it did then: ",
    Kind.WORLD: "now it passes",
    Kind.WELL: "now it passes",
}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda it: it.name.removesuffix(".case.json"))
def test_each_golden_case_becomes_a_test_that_says_what_it_should(path: Path, folder: Path) -> None:
    cause = cause_of(read(path))
    code, told = type_in(folder, str(path), "--dir", str(folder / "cases"))
    assert code == 0 and f"{cause.kind}: {cause.code}" in told
    assert ("not run here" if cause.deadly or cause.tools else SAYS[cause.kind]) in told, told


def test_nothing_is_written_over_unless_it_is_forced(folder: Path) -> None:
    cases = str(folder / "cases")
    assert make(folder, "--dir", cases)[0] == 0
    kept = (folder / "cases" / "test_some.py").read_bytes()
    code, told = make(folder, "--dir", cases, case=GOOD)
    assert code == 3 and "would be overwritten: choose another --name, or say --force" in told
    assert (folder / "cases" / "test_some.py").read_bytes() == kept
    outside = folder / "outside.py"
    (folder / "cases" / "test_link.py").symlink_to(outside)
    assert make(folder, "--dir", cases, "--name", "link")[0] == 3
    assert make(folder, "--dir", cases, "--name", "link", "--force")[0] == 0 and not outside.exists()
    assert make(folder, "--dir", cases, "--force", case=GOOD)[0] == 0
    assert (folder / "cases" / "test_some.py").read_bytes() != kept


def test_a_case_that_lies_there_already_gets_its_test_beside_it(folder: Path) -> None:
    code, told = make(folder, "--dir", str(folder))
    assert code == 0, told
    assert (folder / "test_some.py").exists()


NAMELESS = with_agent(BAD, spec="")


@pytest.mark.parametrize(
    ("words", "case", "code", "told"),
    [
        (["--dir", "nowhere"], BAD, 4, "there is no directory nowhere: make it"),
        ([], NAMELESS, 3, "does not say where its agent 'documents' is: --agent module:attribute does"),
        (["--agent", "agent.agents:nobody"], NAMELESS, 3, "has no 'nobody'"),
        (["--name", "../x"], BAD, 2, "is no name for a test"),
        (["--expect", " "], BAD, 2, "--expect says nothing"),
        (["--expect", "/(/"], BAD, 2, "is no regular expression"),
        (["--expect", "two years"], GOOD, 1, "holds that already"),
        (["--expect", "/TWO|two/"], GOOD, 1, "holds that already"),
        (["--redact"], BAD, 2, "--redact is for a run"),
        (["--most-mb", "0.001"], BAD, 1, "allow more with --most-mb"),
    ],
)
def test_what_cannot_be_a_test_is_refused_and_nothing_is_written(
    folder: Path, words: list[str], case: Case, code: int, told: str
) -> None:
    options = words if "--dir" in words else ["--dir", str(folder / "cases"), *words]
    done, said = make(folder, *options, case=case)
    assert told in said and done == code, said
    assert not list((folder / "cases").iterdir())


def test_a_file_that_is_no_case_and_a_ledger_that_is_not_there_are_told(folder: Path) -> None:
    (folder / "no.case.json").write_text("{}")
    code, told = type_in(folder, str(folder / "no.case.json"), "--dir", str(folder / "cases"))
    assert code == 1 and "is no case" in told
    code, told = type_in(folder, "resp_none", "--dir", str(folder / "cases"))
    assert code == 3 and "there is no ledger in" in told


def test_an_agent_that_the_case_did_not_name_is_named_in_it(folder: Path) -> None:
    code, told = make(folder, "--dir", str(folder / "cases"), "--agent", "agent.agents:documents", case=NAMELESS)
    assert code == 0 and "now it fails: it fails as it did then" in told
    assert '"spec": "agent.agents:documents"' in (folder / "cases" / "some.case.json").read_text()


def test_an_agent_that_is_not_here_is_told_and_the_files_are_there(folder: Path) -> None:
    code, told = make(folder, "--dir", str(folder / "cases"), case=with_agent(BAD, spec="nowhere_at_all:agent"))
    assert code == 0 and "now it fails: Misconfigured: 'nowhere_at_all:agent': there is no module" in told
    assert (folder / "cases" / "test_some.py").exists()


def test_what_might_do_harm_here_is_not_run(folder: Path) -> None:
    cause = cause_of(BAD)
    assert MadeTest("some", BAD, cause).is_safe
    assert not MadeTest("some", BAD, Cause(Kind.MENDABLE, "", tools=("pay",))).is_safe
    assert not MadeTest("some", BAD, Cause(Kind.MENDABLE, "", deadly=True)).is_safe
    assert MadeTest("some", BAD, Cause(Kind.WORLD, "", tools=("pay",))).is_safe
