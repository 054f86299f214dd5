"""`cuelight cost` as an operator types it."""

from __future__ import annotations

from tests.contract.toys import answered, model_call
from tests.e2e.desk import Desk


async def test_every_call_is_summed_up_whatever_became_of_it(desk: Desk) -> None:
    for name in ("resp_1", "resp_2"):
        begun = await desk.begun(await desk.opened(name, publish=False))
        begun.calls.append(answered(model_call("a"), '{"text":"1"}'))
        if name == "resp_2":
            begun.calls.append(model_call("failed and told", "failed", cost_usd="0.125"))
            begun.calls.append(model_call("failed", "failed", cost_usd=None))
            begun.calls.append(model_call("nobody knows", "unknown", cost_usd=None))
            begun.calls.append(model_call("no usage", cost_usd=None))
            begun.calls.append(model_call("no price", cost_usd=None))
            begun.calls[-1].worst_case_usd = None
        await desk.ledger.record(begun)
    await desk.pool.execute("update runs set key_id = 'key_7' where id = 'resp_2'")
    by_run = (await desk.run("cost", "--by", "run", "--json")).json
    dear, cheap = by_run["lines"]
    assert (dear["name"], dear["calls"], dear["failed"], dear["unknown"]) == ("resp_2", 6, 2, 1)
    assert (dear["cost_usd"], dear["at_most_usd"], dear["unpriced"]) == ("0.375", "7.5", 1)
    assert (cheap["name"], cheap["cost_usd"], cheap["at_most_usd"], cheap["unpriced"]) == ("resp_1", "0.25", "0", 0)
    assert (by_run["total"]["calls"], by_run["total"]["cost_usd"]) == (7, "0.625")
    for by, names in {
        "key": ["key_7", ""],
        "project": ["default"],
        "agent": ["toy"],
        "model": ["@"],
    }.items():
        assert [line["name"] for line in (await desk.run("cost", "--by", by, "--json")).json["lines"]] == names
    one = await desk.run("cost", "--by", "run", "--limit", "1", "--json")
    assert (one.json["total"], one.json["lines"]) == (by_run["total"], [dear]), "what is not listed cost money as well"
    assert "left out (see --limit): 1" in (await desk.run("cost", "--by", "run", "--limit", "1")).out
    shown = await desk.run("cost", "--since", "1d", "--run", "resp_2")
    assert "0.375 ?" in shown.out and "(no key)" not in shown.out and "neither the cost nor a bound" in shown.out
    assert "no calls" in (await desk.run("cost", "--project", "other")).out
    assert (await desk.run("cost", "--since", "soon")).code == 2


async def test_a_day_is_one_of_utc_and_the_newest_ones_are_listed(desk: Desk) -> None:
    begun = await desk.begun(await desk.opened("resp_1", publish=False))
    calls = [answered(model_call(name), '{"text":"1"}') for name in ("late", "early")]
    begun.calls += calls
    await desk.ledger.record(begun)
    for call, at in zip(calls, ("2030-01-01 23:59:59+00", "2030-01-02 00:00:01+00"), strict=True):
        await desk.pool.execute("update calls set asked_at = $1::text::timestamptz where id = $2", at, call.id)
    days = (await desk.run("cost", "--json")).json
    assert [line["name"] for line in days["lines"]] == ["2030-01-01", "2030-01-02"]
    newest = (await desk.run("cost", "--limit", "1", "--json")).json
    assert ([line["name"] for line in newest["lines"]], newest["total"]["calls"]) == (["2030-01-02"], 2)
