"""`cuelight replay` on a case file: what may be said together, what is printed, and that nothing in it acts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from agent import Ask, Before, Event, RequestReceived, Run
from agent.agents import documents
from agent.cases import Case, dumped
from agent.errors import Permanent
from agent.events import Usage
from agent.settings import Settings
from cli.forked import prices
from cli.main import build
from cli.redriving import Driven, tell
from tests.runs import RIGHT, WRONG, case_of

HOSTILE = "\x1b[2J\u202e[bold red]boo"
GOOD = orjson.dumps(RIGHT).decode()
Type = Callable[..., Result]


@pytest.fixture
async def case() -> Case:
    found = await case_of(WRONG, RIGHT)
    return found.model_copy(update={"agent": found.agent.model_copy(update={"spec": "agent.agents:documents"})})


@pytest.fixture
def replay(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Types a command on the case, where there is no service and no ledger."""
    path = tmp_path / "one.case.json"
    path.write_bytes(dumped(case))
    monkeypatch.setenv("CUELIGHT_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("cli.replay.configure", lambda *_: None)  # the log of this process is the tests'

    def type_(*words: str) -> Result:
        return CliRunner().invoke(build(["replay"]), ["replay", str(path), *words])

    return type_


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "say how, in one way: --as-recorded, --what-if, --shadow, --re-drive"),
        (["--what-if", "--shadow"], 2, "in one way"),
        (["--as-recorded", "--live"], 2, "--live is for --what-if, and not for --as-recorded"),
        (["--as-recorded", "--set", "a=b"], 2, "--set is for --what-if and --shadow"),
        (["--shadow", "--live"], 2, "--live is for --what-if"),
        (["--what-if", "--kind", "bug"], 2, "--kind is for --re-drive"),
        (["--what-if", "--tool", "x"], 2, "that takes --live, or --shadow"),
        (["--what-if", "--set", "budget"], 2, "write path=value"),
        (["--re-drive"], 2, "a case is a copy"),
        (["--what-if", "--set", "budget.repair=1"], 3, "there is budget.repairs (a whole number)"),
        (["--what-if", "--from-step", "77"], 3, "there is 1 (retrieve), 2 (generate)"),
        (["--what-if", "--agent", "no.such:thing"], 3, "there is no module 'no'"),
        (["--what-if", "--script", "no.jsonl"], 3, "no.jsonl cannot be read"),
        (["--what-if", "--live", "--model", "large"], 3, "there is no model 'large' here; there is offline"),
        (["--shadow", "--tool", "pay"], 3, "the agent has no tool 'pay'; it has none"),
        (["--shadow", "--search", "live"], 3, "there is no ledger here to search"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(replay: Type, words: list[str], code: int, said: str) -> None:
    done = replay(*words)
    assert (done.exit_code, said in done.stderr.replace("\n", " ")) == (code, True), done.stderr


def test_a_what_if_tells_where_each_answer_came_from_and_shows_both_runs(replay: Type) -> None:
    done = replay("--what-if", "--model", "large", "--answer", GOOD)
    assert done.exit_code == 0
    assert "what if: model=large" in done.stdout and "nothing was paid now" in done.stdout
    for row in ("search", "recorded", "call_model large with answer@", "scripted", "then", "verdicts", "ending"):
        assert row in done.stdout, row
    told = orjson.loads(replay("--what-if", "--model", "large", "--answer", GOOD, "--json").stdout)
    assert [it["from"] for it in told["answers"]] == ["recorded", "scripted"]
    assert told["paid_now"] == {"calls": 0, "cost_usd": "0"} and not told["parts"]["verdicts"]["same"]


def test_lines_that_no_question_was_for_are_told(replay: Type) -> None:
    assert "1 of the lines" in replay("--what-if", "--answer", GOOD).stderr
    assert "of the lines" not in replay("--what-if", "--model", "large", "--answer", GOOD).stderr
    assert "1 of the lines" in replay("--what-if", "--model", "large", "--answer", GOOD, "--answer", "more").stderr


def test_where_nobody_may_answer_it_ends_with_1_and_the_question(replay: Type) -> None:
    done = replay("--what-if", "--model", "large")
    assert done.exit_code == 1
    for row in ("stopped: nobody knows", "-model: scripted", "+model: large", "--live asks the model"):
        assert row in done.stdout, row
    assert orjson.loads(replay("--what-if", "--model", "large", "--json").stdout)["unanswered"]["unlike"]


@pytest.mark.parametrize(
    "words", [["--answer", HOSTILE], ["--model", HOSTILE, "--answer", GOOD], ["--set", f"no_answer_text={HOSTILE}"]]
)
def test_nothing_that_is_printed_acts_on_a_terminal(replay: Type, words: list[str]) -> None:
    for more in ([], ["--json"]):
        told = replay("--what-if", "--model", "large", *words, *more).stdout
        assert "\x1b" not in told and "\u202e" not in told and "boo" in told


def test_the_id_of_a_run_acts_on_no_terminal_either(replay: Type, case: Case, tmp_path: Path) -> None:
    request: Any = case.request
    changes = {"run": case.run.model_copy(update={"id": HOSTILE}), "request": {**request, "fence": case.run.id}}
    (tmp_path / "one.case.json").write_bytes(dumped(case.model_copy(update=changes)))
    told = replay("--as-recorded").stdout
    assert "as recorded: " in told and "\x1b" not in told and "\u202e" not in told and "boo" in told


async def _broken(event: RequestReceived, run: Run, ask: Ask, /) -> Sequence[Event]:
    raise KeyError("broken")


def test_a_run_that_broke_before_it_asked_a_model_is_forked_with_the_models_that_are_here(
    replay: Type, tmp_path: Path
) -> None:
    broken = asyncio.run(case_of(agent=replace(documents, steps=(Before("retrieve", "broken", _broken),))))
    named = broken.agent.model_copy(update={"spec": "agent.agents:documents", "models": ()})  # none was asked
    (tmp_path / "one.case.json").write_bytes(dumped(broken.model_copy(update={"agent": named})))
    found = orjson.dumps({"type": "search", "answer": {"passages": [], "index_version": 1}}).decode()
    (tmp_path / "lines.jsonl").write_text(found)
    done = replay("--what-if", "--live", "--script", str(tmp_path / "lines.jsonl"))
    assert done.exit_code == 0, done.stderr
    assert "call_model offline with answer@" in done.stdout


def test_a_dry_run_counts_and_does_nothing(replay: Type, tmp_path: Path) -> None:
    kept = tmp_path / "kept.case.json"
    done = replay("--shadow", "--dry-run", "--out", str(kept))
    assert "would call: offline, 2 calls; about 200 input and 40 output tokens; 0 USD" in done.stdout
    assert "nothing was asked, called or written" in done.stdout and not kept.exists()
    stops = "has no answer, and would call with --live: large, 2 calls"
    assert stops in replay("--what-if", "--model", "large", "--dry-run").stdout
    told = orjson.loads(replay("--what-if", "--model", "large", "--dry-run", "--json").stdout)
    assert (told["calls"], told["cost_usd"], told["open_end"]) == (2, None, False)
    assert "no calls, and 0 USD" in replay("--as-recorded", "--dry-run").stdout


def test_a_fork_can_be_kept_and_replayed(replay: Type, tmp_path: Path, case: Case) -> None:
    kept = tmp_path / "kept.case.json"
    assert replay("--what-if", "--model", "large", "--answer", GOOD, "-o", str(kept)).exit_code == 0
    again = CliRunner().invoke(build(["replay"]), ["replay", str(kept), "--what-if"])
    assert again.exit_code == 0 and "every event is what it was" in again.stdout
    assert orjson.loads(kept.read_bytes())["note"] == f"what if of {case.run.id}: model=large"


async def test_of_several_runs_that_were_driven_again_each_has_a_line(case: Case) -> None:
    failed = (await case_of(Permanent(HOSTILE, kind="rejected"))).model_copy(update={"run": case.run})
    bad = failed.model_copy(update={"run": case.run.model_copy(update={"status": "failed", "id": HOSTILE})})
    paper = StringIO()
    tell(Console(file=paper, width=160), [Driven("a", bad, case), Driven("b", bad, bad), Driven("c", why="late")])
    assert [line.split() for line in paper.getvalue().splitlines()][1][1:] == [
        *("failed", "(rejected)", "completed", "+1", "an", "unknown", "sum")
    ]
    assert "\x1b[2J" not in paper.getvalue() and "boo" in paper.getvalue()
    paper = StringIO()
    tell(Console(file=paper, width=160), [Driven("a", bad, case)])
    assert "first difference" in paper.getvalue() and "verdicts" in paper.getvalue()


async def test_a_run_that_was_driven_again_says_how_it_ended_then_and_now(case: Case) -> None:
    failed = (await case_of(Permanent("no", kind="rejected"))).model_copy(update={"run": case.run})
    bad = failed.model_copy(update={"run": case.run.model_copy(update={"status": "failed"})})
    paper = StringIO()
    tell(Console(file=paper, width=160), [Driven("a", bad, bad)])
    assert paper.getvalue().splitlines()[0] == f"{case.run.id}: failed (rejected) then, failed (rejected) now"


def test_tokens_are_multiplied_by_the_prices_of_the_settings() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=500_000)
    priced: dict[str, Any] = {"model_input_usd_per_mtok": 2, "model_output_usd_per_mtok": 8}
    price = prices(Settings(model_base_url="http://desk/v1", models=("m1",), **priced))
    assert price("m1", usage) == Decimal(6) and price("other", usage) is None
    assert prices(Settings(model_base_url="http://desk/v1", models=("m1",)))("m1", usage) is None
    assert prices(Settings())("offline", usage) == 0
