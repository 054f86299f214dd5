"""`cuelight cancel` as an operator types it."""

from __future__ import annotations

from tests.e2e.desk import Desk


async def test_an_operator_ends_a_run_once_and_whoever_waits_is_woken(desk: Desk) -> None:
    await desk.opened("resp_1")
    door = desk.streams("door")
    await door.register("resp_1")
    done = await desk.run("cancel", "resp_1")
    assert (done.code, done.out) == (0, "cancelled\n"), done.err
    assert await door.rings() == ["resp_1"]
    assert await desk.pool.fetchval("select status || ' by ' || cancelled_by from runs") == "cancelled by operator"
    assert (await desk.run("cancel", "resp_1", "--json")).json == {"run": "resp_1", "cancelled": False}
    shown = await desk.run("show", "resp_1")
    assert "run.cancelled" in shown.out and "by=operator" in shown.out
    assert [run["id"] for run in (await desk.run("runs", "--status", "cancelled", "--json")).json["runs"]] == ["resp_1"]


async def test_a_run_that_is_not_there_is_named_harmlessly(desk: Desk) -> None:
    done = await desk.run("cancel", "resp_\x1b[2J")
    assert done.code == 4 and "\\x1b" in done.err and "\x1b" not in done.err
