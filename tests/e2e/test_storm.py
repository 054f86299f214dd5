"""An endpoint that turns calls away for a while, under load: nobody calls during a pause, and nothing is used up.

`python -m bench.storm` is the long version, with processes and clocks.
"""

from __future__ import annotations

import asyncio

import pytest

from bench.storm_figures import calls_of, pauses_of
from tests.e2e.house import QUESTION, RIGHT, Open

SLOTS, WORKERS, RUNS = 3, 2, 16
PROBES = 2
WAIT_S = 0.3
REFUSALS = SLOTS * WORKERS + PROBES


async def test_a_storm_burns_no_attempt_and_no_worker_calls_during_a_pause(
    house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.adapters.streams.pacing.PATIENCE_S", 60.0)  # however slow this machine is
    refusal = {"kind": "rate_limited", "retry_after_ms": int(WAIT_S * 1000)}
    storm = {"fault": refusal, "delay_ms": 100, "times": REFUSALS}
    async with house(storm, {"answer": RIGHT, "delay_ms": 20}, models="m1", lease_s=2.0) as it, it.door() as http:
        async with it.worker(slots=SLOTS), it.worker(slots=SLOTS):
            replies = await asyncio.gather(*(http.post("/v1/responses", json=QUESTION) for _ in range(RUNS)))
        assert [reply.json()["status"] for reply in replies] == ["completed"] * RUNS
        assert await it.pool.fetchval("select count(*) from attempts where attempt > 1 or outcome = 'postpone'") == 0
        assert await it.dead_letters() == []
        calls = calls_of(await it.model.log(), WAIT_S)
        pauses = pauses_of(calls)
        volley = [call for call in calls if call.at < pauses[0].ends]
        assert len(volley) <= SLOTS * WORKERS, "what had its turn before the first Retry-After, and no more"
        for pause in pauses[1:]:
            told = [call for call in calls if call.wait_s is not None and pause.begins <= call.ended < pause.ends]
            assert len(told) == 1, "one call at a time finds out that it is not over"
            assert not [call for call in calls if pause.begins < call.at < pause.ends]
        assert len(calls) == RUNS + REFUSALS
