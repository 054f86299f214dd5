"""The commands of inspection as an operator types them, on real engines where nobody is at work."""

from __future__ import annotations

import asyncio
import json

import pytest

from agent.outcome import Bury, Postpone, failure_of
from agent.settings import Settings
from cli.alive import lives
from tests.contract.toys import finish
from tests.e2e.desk import Desk, interrupt

HOSTILE = {b"\x1b[2J[bold]x": b"\xff\x07[/]"}
FAIL = Bury("transport", "the endpoint is away", failure_of("transport"))
LATER = Postpone(3_600.0, "rate_limited", "slow down")


async def test_streams_tells_each_route_with_its_stream_and_the_ledgers_backlog(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.opened("resp_2", publish=False)
    await desk.settled(await desk.opened("resp_3"), LATER)
    told = {row["route"]: row for row in (await desk.run("streams", "--json")).json["routes"]}
    assert set(told) == {"retrieve", "generate", "validate", "repair"}
    row = told["retrieve"]
    assert (row["length"], row["lag"], row["pending"], row["grouped"]) == (2, 2, 0, False)
    ledger = {name: row["ledger"][name] for name in ("open", "due", "postponed", "unpublished")}
    assert ledger == {"open": 3, "due": 2, "postponed": 1, "unpublished": 1}
    assert told["generate"]["exists"] is False


async def test_streams_reads_well_in_eighty_columns_and_names_paused_routes(desk: Desk) -> None:
    await desk.opened("resp_1")
    await desk.run("pause", "route:retrieve", "--reason", "\x1b[2J[bold]x")
    done = await desk.run("streams")
    assert done.code == 0, done.err
    assert max(map(len, done.lines)) <= 80
    assert "paused" in done.out and "\x1b" not in done.out and "[bold]x" in done.out.replace("\n", "")


async def test_peek_shows_hostile_entries_harmlessly_and_leaves_them(desk: Desk) -> None:
    key = desk.keys.work("retrieve")
    await desk.redis.xadd(key, HOSTILE)  # type: ignore[arg-type]
    done = await desk.run("streams", "peek", "retrieve")
    assert done.code == 0 and "\\x1b[2J[bold]x" in done.out and "unread" in done.out
    assert "\x1b" not in done.out and "\x07" not in done.out
    (entry,) = (await desk.run("streams", "peek", "retrieve", "--json")).json
    assert entry["fields"] == [["\x1b[2J[bold]x", "\udcff\x07[/]"]]
    assert await desk.redis.xlen(key) == 1 and await desk.redis.xinfo_groups(key) == []


async def test_a_stream_that_is_not_there_is_not_found(desk: Desk) -> None:
    done = await desk.run("streams", "peek", "nowhere")
    assert done.code == 4 and "retrieve" in done.err
    assert (await desk.run("streams", "tail", "nowhere")).code == 4


@pytest.mark.parametrize("words", [("peek", "retrieve", "--after", "x"), ("--json", "peek", "retrieve")])
async def test_a_place_or_an_option_that_would_be_misread_is_refused(desk: Desk, words: tuple[str, ...]) -> None:
    await desk.opened("resp_1")
    assert (await desk.run("streams", *words)).code == 2


async def test_runs_are_filtered_by_status_route_class_and_age_and_paged(desk: Desk) -> None:
    await desk.settled(await desk.opened("resp_1"), finish())
    await desk.settled(await desk.opened("resp_2"), FAIL)
    await desk.settled(await desk.opened("resp_3"), LATER)
    await desk.opened("resp_4", route="generate")
    await desk.pool.execute(
        "update runs set created_at = created_at - interval '1 hour' where id in ('resp_1', 'resp_4')"
    )

    async def ids(*words: str) -> list[str]:
        return [run["id"] for run in (await desk.run("runs", "--json", *words)).json["runs"]]

    assert await ids() == ["resp_4", "resp_3", "resp_2", "resp_1"]
    assert await ids("--status", "failed") == ["resp_2"]
    assert await ids("--status", "open", "--older-than", "30m") == ["resp_4"]
    assert await ids("--younger-than", "30m") == ["resp_3", "resp_2"]
    assert await ids("--error-class", "rate_limited") == ["resp_3"]
    assert await ids("--error-class", "transport") == ["resp_2"]
    assert await ids("--route", "generate") == ["resp_4"]
    assert await ids("--agent", "nobody") == []
    page = (await desk.run("runs", "--json", "--limit", "3")).json
    assert page["next"] == "resp_2" and await ids("--before", page["next"]) == ["resp_1"]


async def test_the_list_of_runs_reads_well_in_eighty_columns(desk: Desk) -> None:
    await desk.settled(await desk.opened(f"resp_{'1' * 32}"), FAIL)
    await desk.settled(await desk.opened(f"resp_{'2' * 32}"), LATER)
    done = await desk.run("runs")
    assert max(map(len, done.lines)) <= 80
    assert f"resp_{'1' * 32}  failed" in done.out and "transport" in done.out and "rate_limited" in done.out


@pytest.mark.parametrize("words", [("--older-than", "soon"), ("--status", "lost"), ("--limit", "0")])
async def test_a_filter_that_means_nothing_is_a_wrong_command_line(desk: Desk, words: tuple[str, ...]) -> None:
    assert (await desk.run("runs", *words)).code == 2


async def test_pause_and_resume_are_listed_and_audited_and_harmless_twice(desk: Desk) -> None:
    assert (await desk.run("pause", "intake", "--reason", "moving house")).code == 0
    again = await desk.run("pause", "intake", "--json")
    assert again.json == {"scope": "intake", "paused": True, "changed": False}
    (pause,) = (await desk.run("pauses", "--json")).json
    assert (pause["scope"], pause["reason"]) == ("intake", "moving house")
    assert "moving house" in (await desk.run("pauses")).out
    assert (await desk.run("resume", "intake")).code == 0
    assert "nothing is paused" in (await desk.run("pauses")).out
    rows = await desk.pool.fetch("select actor, action, subject, detail from audit order by at")
    assert [(row["action"], row["subject"], row["detail"]) for row in rows] == [
        ("pause", "intake", "moving house"),
        ("resume", "intake", "moving house"),
    ]
    assert all("@" in row["actor"] for row in rows)


async def test_what_cannot_be_paused_is_refused(desk: Desk) -> None:
    assert (await desk.run("pause", "everything")).code == 2
    missing = await desk.run("pause", "route:nowhere")
    assert missing.code == 4 and "retrieve" in missing.err


async def test_nothing_is_asked_of_a_service_whose_intake_is_paused(desk: Desk) -> None:
    await desk.run("pause", "intake")
    asked = await desk.run("ask", "Anything?")
    assert asked.code == 3 and "paused" in asked.err
    assert await desk.pool.fetchval("select count(*) from runs") == 0


async def test_the_feed_is_told_live_with_filters_and_ctrl_c_ends_it_cleanly(desk: Desk) -> None:
    await desk.streams().feed([fact("resp_1", "run.failed"), fact("resp_2", "run.failed")], 0)
    process = await desk.start("tail", "--json", "--run", "resp_2", "--type", "run.failed", "--since", "1h")
    first = json.loads(await process.stdout.readline())
    await desk.streams().feed([fact("resp_2", "request.received"), fact("resp_2", "run.failed", seq="9")], 0)
    second = json.loads(await process.stdout.readline())
    assert [(first["run"], first["seq"]), (second["type"], second["seq"])] == [("resp_2", "1"), ("run.failed", "9")]
    interrupt(process)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_a_tail_that_lost_its_server_for_a_moment_goes_on_after_the_last_entry_it_showed(desk: Desk) -> None:
    await desk.streams().feed([fact("resp_1", "run.failed")], 0)
    process = await desk.start("tail", "--json", "--since", "1h")
    assert json.loads(await process.stdout.readline())["seq"] == "1"
    await desk.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]
    await desk.streams().feed([fact("resp_1", "run.failed", seq="2")], 0)
    assert json.loads(await process.stdout.readline())["seq"] == "2"
    interrupt(process)
    _, err = await process.communicate()
    assert process.returncode == 0 and b"trying again" in err


async def test_a_workers_container_is_healthy_while_a_route_is_paused(desk: Desk) -> None:
    settings = Settings(redis_prefix=desk.prefix)
    assert not await lives(settings, desk.urls), "nobody reads here"
    await desk.run("pause", "route:retrieve")
    assert await lives(settings, desk.urls)


async def test_a_stream_is_told_live_with_its_garbage(desk: Desk) -> None:
    key = desk.keys.work("retrieve")
    process = await desk.start("streams", "tail", "retrieve", "--json")
    reading = asyncio.ensure_future(process.stdout.readline())
    while not reading.done():
        await desk.redis.xadd(key, HOSTILE)  # type: ignore[arg-type]
        await asyncio.wait({reading}, timeout=0.05)
    assert json.loads(await reading)["fields"] == [["\x1b[2J[bold]x", "\udcff\x07[/]"]]
    interrupt(process)
    await process.communicate()
    assert process.returncode == 0


def fact(run: str, type: str, seq: str = "1") -> dict[str, str]:
    return {"id": f"{run}/1/{seq}", "run": run, "generation": "1", "seq": seq, "type": type, "agent": "toy@1"}
