"""A failed run of the real service in every mode: what if, shadow and re-drive; only two of them ever call a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.testing.fake_model import Script
from tests.e2e.desk import Desk, Done
from tests.e2e.house import QUESTION, RIGHT, WRONG, House, Open

TABLES = ("events", "attempts", "calls", "work", "dead_letters", "audit")


class Operator:
    """Types commands with the models of the house, and counts what they do to it."""

    def __init__(self, it: House, folder: Path) -> None:
        self.house = it
        self.desk = Desk(it.urls, it.settings.redis_prefix, folder, it.pool, it.redis)

    async def run(self, *words: str) -> Done:
        models = {"CUELIGHT_MODEL_BASE_URL": self.house.model.base_url, "CUELIGHT_MODELS": "m1,m3"}
        return await self.desk.run("replay", *words, **models)

    async def record(self) -> list[Any]:
        """What the ledger holds of runs, but for whether their doors have told of them."""
        pool = self.house.pool
        runs = await pool.fetch("select id, generation, status, cost_usd from runs order by 1")
        return [runs, *[await pool.fetch(f"select t::text from {name} t order by 1") for name in TABLES]]  # noqa: S608

    async def calls(self) -> int:
        return (await self.house.model.counts())["calls"]


async def test_only_a_shadow_and_a_live_what_if_call_a_model_and_only_a_re_drive_is_written(
    house: Open, tmp_path: Path
) -> None:
    async with house({"fault": "unauthorized"}) as it, it.door() as http:
        async with it.worker():
            run = (await http.post("/v1/responses", json=QUESTION)).json()["id"]
        await it.model.play(Script.of([{"model": "m3", "answer": RIGHT}, {"answer": WRONG}]))
        operator = Operator(it, tmp_path)
        before, asked = await operator.record(), await operator.calls()
        await asks_nobody(operator, run)
        assert await operator.calls() == asked
        await asks_the_model(operator, run)
        assert await operator.calls() == asked + 2
        assert await operator.record() == before
        await is_driven_again(it, operator, run)


async def asks_nobody(operator: Operator, run: str) -> None:
    stopped = await operator.run(run, "--what-if", "--model", "m3")
    assert stopped.code == 1 and "stopped: nobody knows what is said to this: call_model m3" in stopped.out
    shadow = (await operator.run(run, "--shadow", "--dry-run", "--json")).json
    assert (shadow["calls"], shadow["cost_usd"], shadow["at_most"]) == (2, None, True)
    assert (await operator.run("--re-drive", "--all", "--dry-run", "--json")).json["tally"]["replayable"] == 1
    step = ("--from-step", "generate")
    said = await operator.run(run, "--what-if", "--model", "m3", "--answer", "\x1b[2J[bold]none", *step)
    assert said.code == 1 and "scripted" in said.out and "stopped" in said.out  # it is no answer, and is to be mended
    assert "\x1b" not in said.out and r"\x1b[2J[bold]none" in said.out


async def asks_the_model(operator: Operator, run: str) -> None:
    live = (await operator.run(run, "--what-if", "--model", "m3", "--live", "--json")).json
    assert [it["from"] for it in live["answers"]] == ["recorded", "live"]
    assert (live["paid_now"]["calls"], live["ending"]) == (1, {"then": "run.failed", "now": "answer.accepted"})
    kept = str(operator.desk.folder / "s.case.json")
    shadow = await operator.run(run, "--shadow", "--search", "live", "--model", "m3", "--json", "-o", kept)
    assert [it["from"] for it in shadow.json["answers"]] == ["live", "live"], shadow.err
    again = await operator.run(kept, "--what-if", "--model", "m3")
    assert again.code == 0 and "every event is what it was" in again.out


async def is_driven_again(it: House, operator: Operator, run: str) -> None:
    await it.model.play(Script.of([{"answer": RIGHT}]))
    async with it.worker():
        driven = await operator.run(run, "--re-drive", "--yes", "--json")
    assert driven.code == 0, driven.err
    (told,) = driven.json["runs"]
    assert told["ending"] == {"then": "failed (unauthorized)", "now": "completed"}
    assert told["parts"]["passages"]["same"] and not told["parts"]["draft"]["same"]
