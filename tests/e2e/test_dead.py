"""Dead letters as an operator handles them on the command line, on real engines where nobody is at work."""

from __future__ import annotations

from typing import Any

import pytest

from agent.outcome import Bury, failure_of
from agent.ports import Unreadable
from tests.contract.toys import model_call
from tests.e2e.desk import Desk

BUG = Bury("bug", "it broke \x1b[2J[bold]x", failure_of("bug"))
HOSTILE = {"run": "\x1b[2J[bold]x", "\udcff": "\x07" + "y" * 3_000}


async def buried(desk: Desk, run: str, kind: str = "bug") -> str:
    """The dead letter of a run that failed at its first step after a call that was paid."""
    begun = await desk.begun(await desk.opened(run, publish=False))
    begun.calls.append(model_call(status="failed", cost_usd="0.5"))
    await desk.ledger.commit(begun, Bury(kind, BUG.reason, BUG.failure))
    return f"{run}/1/1"


async def ids(desk: Desk, *words: str) -> list[str]:
    return [it["id"] for it in (await desk.run("dead", "list", "--json", *words)).json["letters"]]


async def test_letters_are_listed_by_filter_and_in_pages(desk: Desk) -> None:
    first, second = await buried(desk, "resp_1"), await buried(desk, "resp_2", "transport")
    await desk.ledger.bury_unreadable(Unreadable("generate", "9-1", {"a": "b"}, "no pointer"))
    await desk.pool.execute("update dead_letters set created_at = created_at - interval '1 hour' where id = $1", first)
    assert await ids(desk) == [first, second, "generate/9-1"]
    assert await ids(desk, "--route", "generate") == ["generate/9-1"]
    assert await ids(desk, "--kind", "transport", "--agent", "toy") == [second]
    assert await ids(desk, "--run", "resp_1") == await ids(desk, "--older-than", "30m") == [first]
    assert await ids(desk, "--younger-than", "30m", "--state", "any") == [second, "generate/9-1"]
    page = (await desk.run("dead", "list", "--json", "--limit", "2")).json
    assert page["next"] == second and await ids(desk, "--after", page["next"]) == ["generate/9-1"]
    assert (await desk.run("dead", "list", "--after", "nothing")).code == 4


async def test_the_list_reads_well_in_eighty_columns(desk: Desk) -> None:
    letter = await buried(desk, f"resp_{'1' * 32}")
    await desk.run("dead", "discard", letter)
    done = await desk.run("dead", "list", "--state", "any")
    assert max(map(len, done.lines)) <= 80
    assert letter in done.out and "discarded" in done.out and "bug" in done.out


async def test_show_tells_the_event_the_attempts_the_errors_and_the_cost(desk: Desk) -> None:
    letter = await buried(desk, "resp_1")
    done = await desk.run("dead", "show", letter)
    for word in (letter, "bug: it broke", "toy.counted", "attempt 1, delivery 1", "tester", "call_model", "0.5 USD"):
        assert word in done.out, word
    assert "\x1b" not in done.out and max(map(len, done.lines)) <= 80
    told = (await desk.run("dead", "show", letter, "--json")).json
    assert (told["reason"], told["raw"], told["body"]["event"]["type"]) == (BUG.reason, None, "toy.counted")
    assert told["history"]["attempts"][0]["error"] == told["reason"]
    assert told["history"]["calls"][0]["cost_usd"] == "0.5"


async def test_show_shows_the_bytes_of_a_hostile_entry_harmlessly_and_all_of_them_as_json(desk: Desk) -> None:
    unreadable = Unreadable("generate", "9-1", HOSTILE, "no text")
    await desk.ledger.bury_unreadable(unreadable)
    done = await desk.run("dead", "show", "generate/9-1")
    assert "ff 0d 0a" in done.out and "1b 5b 32 4a" in done.out, "the bytes in hexadecimal"
    assert "\x1b" not in done.out and "\x07" not in done.out and max(map(len, done.lines)) <= 80
    told = (await desk.run("dead", "show", "generate/9-1", "--json")).json
    assert bytes.fromhex(told["raw"]) == unreadable.raw()


async def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    for words in (("show", "nothing"), ("replay", "nothing"), ("discard", "nothing")):
        done = await desk.run("dead", *words)
        assert done.code == 4, words


async def test_replaying_twice_opens_one_generation_says_so_and_names_who_did_it(desk: Desk) -> None:
    letter = await buried(desk, "resp_1")
    first, second = await desk.run("dead", "replay", letter), await desk.run("dead", "replay", letter)
    assert (first.code, second.code) == (0, 0)
    assert "generation 2 of resp_1" in first.out and "replayed already" in second.out and "@" in second.out
    entries: Any = await desk.redis.xrange(desk.keys.work("retrieve"))
    assert [(fields["run"], fields["generation"]) for _, fields in entries] == [("resp_1", "2")], (
        "the work is published at once, and once"
    )
    rows = await desk.pool.fetch("select actor, action, subject from audit")
    assert [(row["action"], row["subject"]) for row in rows] == [("dead_letter.replayed", letter)]
    assert "@" in rows[0]["actor"]


async def test_replay_works_while_redis_is_away_and_leaves_the_work_to_the_relay(desk: Desk) -> None:
    letter = await buried(desk, "resp_1")
    done = await desk.run("dead", "replay", letter, CUELIGHT_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.code == 0 and "relay" in done.err
    assert await desk.pool.fetchval("select generation from work where run_id = 'resp_1'") == 2


async def test_what_cannot_be_replayed_says_why_and_harms_no_other(desk: Desk) -> None:
    letter = await buried(desk, "resp_1")
    await desk.ledger.bury_unreadable(Unreadable("generate", "9-1", {"a": "b"}, "no pointer"))
    done = await desk.run("dead", "replay", "generate/9-1", letter, "--json")
    assert done.code == 1
    assert (done.json["replayed"], done.json["refused"]) == (1, {"runless": 1})
    assert [it["refused"] for it in done.json["verdicts"]] == ["runless", None]


async def test_letters_are_settled_in_bulk_by_filter_and_the_others_stay(desk: Desk) -> None:
    letters = [await buried(desk, f"resp_{n}", "transport") for n in range(3)]
    other = await buried(desk, "resp_9")
    done = await desk.run("dead", "replay", "--kind", "transport", "--json")
    assert done.json["replayed"] == 3 and await ids(desk) == [other]
    again = await desk.run("dead", "replay", "--kind", "transport")
    assert again.code == 0 and "nothing was done" in again.out
    assert (await desk.run("dead", "discard", "--all")).code == 0
    assert await ids(desk) == [] and len(await ids(desk, "--state", "settled")) == len(letters) + 1


async def test_a_dry_run_tells_count_and_cost_and_does_nothing(desk: Desk) -> None:
    await buried(desk, "resp_1")
    await desk.ledger.bury_unreadable(Unreadable("generate", "9-1", {"a": "b"}, "no pointer"))
    told = (await desk.run("dead", "replay", "--all", "--dry-run", "--json")).json["tally"]
    assert told == {"count": 2, "replayable": 1, "spent_usd": "0.5", "estimate_usd": None}
    done = await desk.run("dead", "replay", "--all", "--dry-run")
    assert "2 open dead letters, 1 of them can be replayed" in done.out and "0.5 USD" in done.out
    assert len(await ids(desk)) == 2 and await desk.pool.fetchval("select count(*) from work") == 0


@pytest.mark.parametrize("words", [(), ("resp_1/1/1", "--all"), ("--all", "--kind", "bug"), ("--older-than", "soon")])
async def test_what_is_to_be_settled_must_be_said_and_only_once(desk: Desk, words: tuple[str, ...]) -> None:
    letter = await buried(desk, "resp_1")
    for act in ("replay", "discard"):
        assert (await desk.run("dead", act, *words)).code == 2
    assert await ids(desk) == [letter]
