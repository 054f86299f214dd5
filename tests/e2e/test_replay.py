"""A failed run that an operator replays: the same response, its next generation, and nothing paid twice."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from agent.adapters.ledger.letters import PostgresLetters
from agent.adapters.ledger.story import story
from agent.envelope import index
from agent.events import CATALOGUE
from cli.telling import tell
from tests.e2e.house import House, Open, until

ASKED = {"model": "twice", "input": "Well?", "store": True}
LINES = [
    {"prompt": "first", "answer": "Paid once."},
    {"prompt": "second", "fault": "bad_request", "times": 1},
    {"prompt": "second", "answer": "At last."},
]


async def told(it: House, run: str) -> str:
    found = await story(it.pool, run)
    assert found is not None
    console = Console(width=200)
    with console.capture() as capture:
        console.print(tell(found, index(CATALOGUE)))
    return capture.get()


async def test_a_replayed_run_is_in_progress_and_ends_anew_and_its_recorded_answer_is_not_paid_again(
    house: Open,
) -> None:
    async with house(*LINES) as it, it.door() as http:
        async with it.worker():
            failed = (await http.post("/v1/responses", json=ASKED)).json()
        assert failed["status"] == "failed"
        run, (letter,) = failed["id"], await it.dead_letters()
        (verdict,) = await PostgresLetters(it.pool).replay([letter["id"]], "ann@desk")
        assert (verdict.refused, verdict.generation) == (None, 2)
        assert (await http.get(f"/v1/responses/{run}")).json()["status"] == "in_progress"

        async def ended() -> Any:
            body = (await http.get(f"/v1/responses/{run}")).json()
            return body if body["status"] != "in_progress" else None

        async with it.worker():
            body = await until(ended)
        assert (body["status"], body["id"]) == ("completed", run)
        assert body["output"][0]["content"][0]["text"] == "Paid once. At last."
        asked = [entry["prompt"] for entry in await it.model.log(run)]
        assert asked.count("first@1.0.0") == 1
        shown = await told(it, run)
        assert shown.index("generation 1") < shown.index("run.failed") < shown.index("generation 2")
        assert shown.index("generation 2") < shown.index("answer.accepted")
