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
        await desk.ledger.record(begun)
    await desk.pool.execute("update runs set key_id = 'key_7' where id = 'resp_2'")
    by_run = (await desk.run("cost", "--by", "run", "--json")).json
    dear, cheap = by_run["lines"]
    assert (dear["name"], dear["calls"], dear["failed"], dear["unknown"]) == ("resp_2", 5, 2, 1)
    assert (dear["cost_usd"], dear["at_most_usd"], dear["unpriced"]) == ("0.375", "5.0", 1)
    assert (cheap["name"], cheap["cost_usd"], cheap["at_most_usd"], cheap["unpriced"]) == ("resp_1", "0.25", "0", 0)
    assert (by_run["total"]["calls"], by_run["total"]["cost_usd"]) == (6, "0.625")
    for by, names in {
        "key": ["key_7", ""],
        "project": ["default"],
        "agent": ["toy"],
        "model": ["@"],
    }.items():
        assert [line["name"] for line in (await desk.run("cost", "--by", by, "--json")).json["lines"]] == names
    shown = await desk.run("cost", "--since", "1d", "--run", "resp_2")
    assert "0.375 ?" in shown.out and "(no key)" not in shown.out and "neither the cost nor a bound" in shown.out
    assert "no calls" in (await desk.run("cost", "--project", "other")).out
    assert (await desk.run("cost", "--since", "soon")).code == 2
