"""The examples, run as a reader would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from agent.events import ENDINGS
from examples import feed_consumer
from tests.e2e.house import Open
from tests.e2e.typed import done
from tests.engines import temporary_directory
from tests.unit.test_extraction import INVOICE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def up() -> Iterator[tuple[str, Path]]:
    """A running service with an agent that `cuelight init` wrote: its URL and its data directory."""
    with temporary_directory() as home:
        home.chmod(0o755)
        document = home / "lamp.md"
        document.write_text("# The lamp\n\nThe cue light was built in 1880 and hangs behind the stage.\n")
        outside = {name: value for name, value in os.environ.items() if not name.startswith("CUELIGHT_")}
        env = {**outside, "CUELIGHT_AGENT": "support:support", "CUELIGHT_LOG_LEVEL": "error"}
        assert done(["init", str(home / "mine"), "--name", "support"], outside).returncode == 0
        options = ["--port", "0", "--data-dir", str(home / "data"), "--documents", str(document)]
        with process([sys.executable, "-m", "cli.main", "up", *options], env, home / "mine") as service:
            line = said(service)
            assert line.startswith("ready: ")
            yield line.removeprefix("ready: ").strip(), home / "data"


async def test_both_agents_work_in_the_real_house(house: Open) -> None:
    agents = "examples.support_agent:support,examples.extraction:invoices,examples.extraction:cards"
    card: dict[str, Any] = {"name": "Ada Lund", "company": None, "email": None, "phones": []}
    lines = (
        {"prompt": "support", "times": 1, "tool_calls": [found("A-1002")]},
        {"prompt": "support", "contains": "A-1002", "answer": "A-1002 was delivered."},
        {"prompt": "extract", "contains": "2041", "times": 1, "answer": {**INVOICE, "total_cents": 1}},
        {"prompt": "extract", "contains": "but the items come to 4590", "answer": INVOICE},
        {"prompt": "extract", "contains": "Ada", "answer": card},
    )
    async with (
        house(*lines, agent=agents, prompts_dir=ROOT / "examples" / "prompts") as it,
        it.worker(),
        it.door() as http,
    ):
        support = await answered(http, "support", "Where is A-1002?")
        assert support["output"][-1]["content"][0]["text"] == "A-1002 was delivered."
        (tool,) = await it.calls(support["id"], "call_tool")
        assert "left with a neighbour" in tool["answer"]

        read = await answered(http, "invoices", "Invoice 2041 of 3 May 2026, 3 lamps at 15.30 EUR. Total 45.90 EUR.")
        assert json.loads(read["output"][-1]["content"][0]["text"]) == INVOICE
        assert read["metadata"]["cuelight.repairs"] == "1"
        sent = (await it.model.log(read["id"]))[0]["body"]["response_format"]["json_schema"]
        assert sent["strict"] and sent["schema"]["additionalProperties"] is False

        carded = await answered(http, "cards", "Ada Lund")
        assert json.loads(carded["output"][-1]["content"][0]["text"]) == card
        properties = (await it.model.log(carded["id"]))[0]["body"]["response_format"]["json_schema"]["schema"]
        assert list(properties["properties"]) == ["name", "company", "email", "phones"]


def found(id: str) -> dict[str, Any]:
    return {"id": "call_1", "function": {"name": "find_order", "arguments": {"order_id": id}}}


async def answered(http: httpx.AsyncClient, model: str, text: str) -> dict[str, Any]:
    reply: dict[str, Any] = (await http.post("/v1/responses", json={"model": model, "input": text})).json()
    assert reply["status"] == "completed", reply
    return reply


async def test_the_feed_consumer_counts_each_ending_once_and_catches_up_after_a_loss(up: tuple[str, Path]) -> None:
    url, data_dir = up
    first = ask(url)
    with consumer(data_dir) as tally:
        assert json.loads(said(tally)) == {
            "run": first,
            "type": "answer.accepted",
            "endings": {"support completed": 1},
        }
        second = ask(url)
        assert json.loads(said(tally))["endings"] == {"support completed": 2}
    urls = json.loads((data_dir / "engines.json").read_text())
    async with Redis.from_url(urls["redis_url"]) as client:
        await client.delete("cuelight:events")
        with consumer(data_dir, "--catch-up") as tally:
            assert {json.loads(said(tally))["run"] for _ in range(2)} == {first, second}
            third = ask(url)
            assert json.loads(said(tally)) == {
                "run": third,
                "type": "answer.accepted",
                "endings": {"support completed": 3},
            }
            await client.delete("cuelight:events")  # while it reads
            ask(url)
            assert json.loads(said(tally))["endings"] == {"support completed": 4}


def test_the_feed_consumer_counts_every_kind_of_ending() -> None:
    assert {ending.type for ending in ENDINGS} == feed_consumer.ENDINGS


@pytest.mark.parametrize(
    ("type", "of_the_run", "told"),
    [
        ("run.failed", "completed", "failed"),  # the run was replayed
        ("run.cancelled", "cancelled", "cancelled"),
        ("answer.accepted", "incomplete", "incomplete"),
    ],
)
def test_what_is_caught_up_on_has_the_status_that_the_feed_told(type: str, of_the_run: str, told: str) -> None:
    assert feed_consumer.status(type, of_the_run) == told


def ask(url: str) -> str:
    reply = httpx.post(f"{url}/v1/responses", json={"input": "When was the cue light built?"}, timeout=60).json()
    assert (reply["status"], reply["model"]) == ("completed", "support")
    run: str = reply["id"]
    return run


def consumer(data_dir: Path, *more: str) -> Any:
    return process([sys.executable, "examples/feed_consumer.py", "--data-dir", str(data_dir), *more], dict(os.environ))


@contextmanager
def process(words: list[str], env: dict[str, str], cwd: Path = ROOT) -> Iterator[subprocess.Popen[str]]:
    env = {**env, "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(words, env=env, cwd=cwd, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=60)


def said(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline()
