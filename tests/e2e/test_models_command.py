"""`cuelight models` and the doctor tell what models are on hold for, and an operator ends it."""

from __future__ import annotations

from agent.adapters.streams.pacing import RedisPacer
from agent.pacing import Came, Target, Turn, Wanted
from tests.e2e.desk import Desk

MODELS = {
    "CUELIGHT_MODEL_BASE_URL": "http://127.0.0.1:1/v1",
    "CUELIGHT_MODELS": "m1,m2",
    "CUELIGHT_MODEL_CONCURRENCY": "8",
}


async def test_a_hold_is_listed_found_by_the_doctor_and_ended_by_an_operator(desk: Desk) -> None:
    pacer = RedisPacer(desk.redis, desk.keys)
    turn = await pacer.reserve(Wanted(Target("default", "m1"), "chat", "call"))
    assert isinstance(turn, Turn)
    await pacer.settle(turn, Came("quota"))
    one, two = (await desk.run("models", "--json", **MODELS)).json
    assert (one["model"], one["limits"]["concurrency"], one["holds"][0]["kind"], two["holds"]) == ("m1", 8, "quota", [])
    found = (await desk.run("doctor", "--json", **MODELS)).json["findings"]
    (finding,) = [it for it in found if it["check"] == "model-held"]
    assert finding["subject"] == "m1" and "cuelight models resume m1" in finding["advice"]
    done = await desk.run("models", "resume", "m1", **MODELS)
    assert (done.code, done.out.strip()) == (0, "m1 is called again")
    assert isinstance(await pacer.reserve(Wanted(Target("default", "m1"), "chat", "call")), Turn)
    assert await desk.pool.fetchval("select subject from audit where action = 'resume'") == "model:m1"


async def test_the_list_of_models_reads_well_and_no_other_model_can_be_resumed(desk: Desk) -> None:
    done = await desk.run("models", **MODELS)
    assert done.code == 0 and "8 at once" in " ".join(done.out.split()) and "free" in done.out
    assert (await desk.run("models", "resume", "m3", **MODELS)).code == 4
