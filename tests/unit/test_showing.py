"""What `cuelight show` tells of a run that mending is part of."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

from rich.console import Console

from agent.adapters.ledger.story import RunStory
from agent.envelope import index, seal
from agent.events import CATALOGUE, AnswerAccepted
from cli.telling import tell

AT = datetime(2027, 1, 1, tzinfo=UTC)


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
