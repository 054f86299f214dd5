"""`cuelight evaluate` on the running service: a jobs process is killed half-way, and nothing is paid twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.adapters.ledger.jobs import PostgresJobs
from agent.evaluation.report import read
from agent.jobs import Job
from agent.testing.fake_model import Script
from tests.e2e.desk import Desk
from tests.e2e.house import RIGHT, WRONG, House, Open, until
from tests.e2e.test_jobs import QUICK, at_work

LINES: list[Any] = [
    {"contains": "is right", "answer": RIGHT, "usage": {"input": 1_000, "output": 100}},
    {"contains": "is bad", "answer": WRONG, "usage": {"input": 1_000, "output": 100}},
    {"answer": WRONG, "usage": {"input": 1_000, "output": 100}},
]
NOTHING = {"answer": "", "citations": [], "no_answer": True}
PRICES = {"model_input_usd_per_mtok": "1", "model_output_usd_per_mtok": "10"}
EXPECTED = {"contains": ["two years"], "citations": ["pages/warranty.md"]}


def written(folder: Path, words: list[str]) -> Path:
    rows = [
        {"id": f"q{n}", "input": f"How long is the warranty of the lamp? Case {n} {it}.", "expected": EXPECTED}
        for n, it in enumerate(words)
    ]
    path = folder / "faq.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def environment(it: House, folder: Path) -> dict[str, str]:
    told = {"MODEL_BASE_URL": it.model.base_url, "MODEL_API_KEY": "sk-test-secret", "MODELS": "m1,m2"}
    return {f"CUELIGHT_{name}": value for name, value in told.items()} | QUICK | {"HOME": str(folder)}


async def caught(desk: Desk) -> Job | None:
    """The job once some of its runs have ended; one that is through was not caught in the middle."""
    (job,) = await PostgresJobs(desk.pool).jobs(1)
    assert not job.ended, "the job should have been caught in the middle"
    return job if job.done else None


async def test_a_data_set_is_evaluated_once_whatever_is_killed_and_a_loss_ends_with_1(
    house: Open, tmp_path: Path
) -> None:
    async with house(*LINES, **PRICES) as it, it.worker():
        desk, more = Desk(it.urls, it.settings.redis_prefix, tmp_path, it.pool, it.redis), environment(it, tmp_path)
        words = ["evaluate", str(written(tmp_path, ["is right"] * 9 + ["is bad"])), "--agent", "documents"]
        words += ["--model", "m1", "--at-once", "2", "--out", str(tmp_path / "one.json")]

        detached = await desk.run(*words, "--detach", **more)
        assert detached.code == 0 and "begins with job_" in detached.err, detached.err
        async with at_work(desk, **more) as process:
            await until(lambda: caught(desk))
            process.kill()
            await process.wait()
        async with at_work(desk, **more):
            done = await desk.run(*words, **more)
            assert done.code == 0 and "goes on with job_" in done.err, done.err
            report = read(tmp_path / "one.json")
            runs = await it.pool.fetchval("select count(*) from runs")
            asked = (await it.model.counts())["calls"]
            assert runs == len(report.lines) == 10 and {line.status for line in report.lines[:9]} == {"completed"}
            assert asked == sum(line.calls for line in report.lines), "nothing was paid twice"
            assert report.failures == {report.lines[9].code: 1} and report.lines[9].scores["contains"] == 0.0
            assert report.lines[0].scores == dict.fromkeys(report.lines[0].scores, 1.0)
            assert str(report.lines[0].cost_usd) == "0.002" and "sk-test" not in (tmp_path / "one.json").read_text()

            await it.model.play(Script.of([{"answer": NOTHING, "usage": {"input": 1_000, "output": 100}}]))
            beside = ["--compare", str(tmp_path / "one.json"), "--markdown", str(tmp_path / "two.md")]
            unpriced = await desk.run(*words, "--most-usd", "0.001", **more)
            assert unpriced.code == 2 and "'m1' has no price" in unpriced.err
            priced = more | {f"CUELIGHT_{name.upper()}": value for name, value in PRICES.items()}
            stopped = await desk.run(*words, "--most-usd", "0.001", **priced)
            assert stopped.code == 1 and "its 0.001 USD are used up: raise --most-usd" in stopped.err, stopped.err
            lost = await desk.run(*words[:-1], str(tmp_path / "two.json"), *beside, "--fail-on", "any", **more)
            assert lost.code == 1 and "contains went from 0.9 to 0 over 10 lines: surely worse" in lost.err, lost.err
            assert "goes on with job_" in lost.err and read(tmp_path / "two.json").evaluation != report.evaluation
            assert "| contains | 10 | 0.9 | 0 | -0.9 |" in (tmp_path / "two.md").read_text()
