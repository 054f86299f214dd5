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
from tests.engines import temporary_directory

ROOT = Path(__file__).parents[2]


@pytest.fixture
def up() -> Iterator[tuple[str, Path]]:
    """A running service with the example's agent: its URL and its data directory."""
    with temporary_directory() as home:
        home.chmod(0o755)
        document = home / "lamp.md"
        document.write_text("# The lamp\n\nThe cue light was built in 1880 and hangs behind the stage.\n")
        outside = {name: value for name, value in os.environ.items() if not name.startswith("CUELIGHT_")}
        env = {**outside, "CUELIGHT_AGENT": "examples.my_agents:support", "CUELIGHT_LOG_LEVEL": "error"}
        options = ["--port", "0", "--data-dir", str(home / "data"), "--documents", str(document)]
        with process([sys.executable, "-m", "cli.main", "up", *options], env) as service:
            line = said(service)
            assert line.startswith("ready: ")
            yield line.removeprefix("ready: ").strip(), home / "data"


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
def process(words: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(words, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=60)


def said(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline()
