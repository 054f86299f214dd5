"""What commands show: what `cuelight show` tells of a run that mending is part of, and what they fail of."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console

from agent.adapters.ledger.story import RunStory
from agent.envelope import index, seal
from agent.events import CATALOGUE, AnswerAccepted
from cli.exits import Exit, leave
from cli.main import main
from cli.telling import tell

AT = datetime(2027, 1, 1, tzinfo=UTC)


def test_what_a_command_fails_of_says_nothing_that_a_terminal_obeys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "x\x1b[2J.trace.jsonl"
    trace.write_text('{"cuelight_trace": 1}\n{"prompt": "a", "attempt": 1, "answer": "x", "b\\u001b[31m": 1}\n')
    for path, code in ((trace, Exit.REFUSED), (tmp_path / "\x1b[2J.trace.jsonl", Exit.REFUSED)):
        monkeypatch.setattr(sys, "argv", ["cuelight", "fake-model", "--trace", str(path)])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr().err
        assert left.value.code == code and "\\x1b" in said and "\x1b" not in said
    with pytest.raises(typer.Exit):
        leave(Exit.FAILED, "one\x1b[2J\n  two")
    assert capsys.readouterr().err == "cuelight: one\\x1b[2J\n  two\n"


def told(event: AnswerAccepted) -> str:
    sealed = seal(event)
    run = {"id": "resp_1", "status": "completed", "agent": "a", "agent_version": "1", "project_id": "default"}
    times = {"created_at": AT, "ended_at": AT, "reopened_at": None, "purged_at": None, "generation": 1}
    cost = {"cost_usd": Decimal(0), "input_tokens": 1, "output_tokens": 1, "request": "{}"}
    row = {"generation": 1, "seq": 2, "at": AT, "type": sealed.type, "version": 1, "data": sealed.data}
    story = RunStory({**run, **times, **cost}, [{**row, "agent": "", "prompt": ""}], [], [], [], None)
    console = Console(width=120, file=StringIO())
    with console.capture() as captured:
        console.print(tell(story, index(CATALOGUE)))
    return captured.get()


def test_what_was_mended_is_shown_and_nothing_is_where_nothing_was() -> None:
    assert "mended before it was read: fence, lenient" in told(AnswerAccepted(text="{}", mends=("fence", "lenient")))
    assert "mended" not in told(AnswerAccepted(text="{}"))
