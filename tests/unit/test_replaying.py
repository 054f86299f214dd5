"""A case runs again as it was recorded, in memory; where it cannot, it says where and how it differs."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from agent import Agent, Budget, Draft
from agent.agents import documents
from agent.cases import Case, dumped, loads, made
from agent.errors import Held, Overloaded, Permanent, Transient
from agent.events import RunCancelled, Usage, VerdictGiven
from agent.outcome import Postpone, RetryPolicy
from agent.ports import Begun, Pointer
from agent.testing import LiveCall, MemoryLetters
from agent.testing.cases import case_rows
from agent.testing.replaying import Missing, Replayed, bound_for, replay
from tests.runs import QUESTION, RIGHT, WRONG, case_of, chain
from workers.decide import chance

SLOW = Overloaded("slow down", retry_after_s=3)
AWAY = Transient("no line", kind="transport")
STORIES: dict[str, Sequence[Any]] = {
    "answered": [RIGHT],
    "repaired": [WRONG, RIGHT],
    "given up": [WRONG, {**WRONG, "answer": "It has two years of warranty."}, WRONG],
    "rate limited": [SLOW, SLOW, RIGHT],
    "away for a while": [AWAY, AWAY, AWAY, RIGHT],
    "away": [AWAY] * 14,
    "malformed": [Transient("no JSON", kind="malformed")] * 3,
    "rejected": [Permanent("no", kind="rejected")],
    "no JSON": ["Sure!", RIGHT],
    "bug": [ZeroDivisionError("by nothing"), RIGHT],
    "bugs": [ZeroDivisionError("by nothing")] * 3,
}


async def again(case: Case, agent: Agent = documents) -> Replayed:
    return await replay(loads(dumped(case)), agent)


def data(case: Case, **changes: Any) -> dict[str, Any]:
    return {**orjson.loads(dumped(case)), **changes}


@pytest.mark.parametrize("said", STORIES.values(), ids=STORIES)
async def test_every_story_comes_again_byte_for_byte(said: Sequence[Any]) -> None:
    case = await case_of(*said)
    done = await again(case)
    assert done.difference is None and done.missing is None
    assert [event.text for event in done.now.events] == [event.text for event in case.events]
    assert done.now.ending.text == case.ending.text
    assert done.now.cost == case.cost
    assert [it.delay_s for it in done.now.attempts] == [it.delay_s for it in case.attempts]


async def test_a_run_that_was_cancelled_ends_at_the_same_place() -> None:
    case = await case_of(RIGHT)
    told = data(case)
    cancel = {"seq": 3, "type": "run.cancelled", "at": told["run"]["ended_at"], "data": {"by": "client"}}
    told |= {"events": [*told["events"][:2], cancel], "attempts": told["attempts"][:1]}
    told["cost"] = {"attempts": 1, "cost_usd": 0}
    told["run"]["status"] = "cancelled"
    done = await again(loads(orjson.dumps(told)))
    assert done.as_recorded and done.now.ending.type == RunCancelled.type
    assert done.now.run.status == "cancelled"


async def test_a_run_whose_time_was_over_while_a_model_was_at_it_ends_so_again() -> None:
    told = data(await case_of(RIGHT))
    told["attempts"][1]["asked"][0] |= {"status": "unknown", "answer": None}
    del told["attempts"][1]["asked"][0]["usage"]
    late = {"code": "deadline_exceeded", "message": "The run did not end before its deadline.", "repairs": 0}
    ending = {**told["events"][2], "type": "run.failed", "data": late}
    told |= {"events": [*told["events"][:2], ending], "attempts": told["attempts"][:2]}
    told |= {"cost": {"calls": 1, "attempts": 2}}
    told["run"]["status"] = "failed"
    done = await again(loads(orjson.dumps(told)))
    assert done.as_recorded, done.difference
    assert done.now.attempts[-1].asked[0].status == "unknown"


async def test_a_run_that_was_ended_by_the_relay_when_its_time_was_over_ends_so_again() -> None:
    told = data(await case_of(RIGHT))
    late = {"code": "deadline_exceeded", "message": "The run did not end before its deadline.", "repairs": 0}
    ending = {**told["events"][2], "type": "run.failed", "data": late}
    told |= {
        "events": [*told["events"][:2], ending],
        "attempts": told["attempts"][:1],
        "cost": {"attempts": 1, "cost_usd": 0},
    }
    assert (await again(loads(orjson.dumps(told)))).as_recorded


async def test_what_a_dead_worker_had_asked_is_used_again_as_it_was() -> None:
    told = data(await case_of(RIGHT))
    first = told["attempts"][1]
    dead = {**first, "outcome": None, "settled": None, "ended_at": None}
    heir = {**first, "delivery": 2, "begins": 3, "asked": []}
    told["attempts"][1:2] = [dead, heir]
    for later in told["attempts"][3:]:
        later["begins"] += 1
    told["cost"]["attempts"] += 1
    done = await again(loads(orjson.dumps(told)))
    assert done.as_recorded, done.difference


async def test_a_model_that_was_on_hold_is_refused_again() -> None:
    told = data(await case_of(AWAY, RIGHT))
    put_off = told["attempts"][1]
    (asked,) = put_off["asked"]
    held = Held("on hold", wait_s=2.0, kind="rate_limited")
    fault = {"error": "Held", "kind": held.kind, "message": str(held), "wait_s": held.wait_s}
    put_off |= {"asked": [], "outcome": "park", "error_kind": held.kind, "error": f"Held: {held}", "begins": None}
    put_off["refused"] = [{"hash": asked["hash"], "type": "call_model", "model": "scripted", "fault": fault}]
    for later in told["attempts"][2:]:
        later["attempt"] = 1
    told["cost"]["calls"] -= 1
    del told["attempts"][1]["delay_s"]
    done = await again(loads(orjson.dumps(told)))
    assert done.as_recorded, done.difference
    assert [it.fault.wait_s for it in done.now.attempts[1].refused] == [2.0]


async def test_errors_of_that_day_which_no_step_can_meet_here_are_taken_as_they_were() -> None:
    told = data(await case_of(AWAY, RIGHT))
    parked = told["attempts"][1]
    parked |= {"asked": [], "outcome": "park", "error_kind": "unfamiliar", "error": "Unfamiliar: newer", "delay_s": 5.0}
    for later in told["attempts"][2:]:
        later["attempt"] = 1
    told["cost"]["calls"] -= 1
    assert (await again(loads(orjson.dumps(told)))).as_recorded


async def test_a_missing_recording_fails_closed_with_the_question_and_the_one_most_like_it() -> None:
    told = data(await case_of(WRONG, RIGHT))
    repair = next(it for it in told["attempts"] if it["route"] == "repair")
    repair["asked"] = [it for it in repair["asked"] if it["effect"]["type"] == "search"]
    done = await again(loads(orjson.dumps(told)))
    assert isinstance(done.missing, Missing) and not done.as_recorded
    assert "'call_model' was asked in attempt 1 at repair, event" in str(done.missing)
    assert any(line.startswith("+messages[3].content") for line in done.missing.unlike), done.missing.unlike


async def test_a_recorded_question_that_was_edited_is_none_though_its_hash_still_fits() -> None:
    told = data(await case_of(RIGHT))
    asked = next(it for attempt in told["attempts"] for it in attempt["asked"] if it["effect"]["type"] == "call_model")
    asked["effect"]["messages"][0]["content"] = "Say anything."
    done = await again(loads(orjson.dumps(told)))
    assert done.missing is not None
    assert "-messages[0].content: Say anything." in done.missing.unlike


async def test_a_changed_prompt_is_shown_beside_the_recorded_one() -> None:
    told = data(await case_of(RIGHT))
    (name,) = told["sources"]
    told["sources"][name]["user.j2"] = "Mind: {{ question }}{% for it in passages %}{{ it }}{% endfor %}\n"
    done = await again(loads(orjson.dumps(told)))
    assert done.missing is not None or "unfamiliar" in str(done.difference)


async def test_a_changed_check_is_the_first_difference() -> None:
    def is_never_right(draft: Draft) -> Sequence[str]:
        return ["No."]

    changed = replace(documents, checks=(*documents.checks, is_never_right))
    done = await again(await case_of(RIGHT), changed)
    assert done.missing is None and done.difference is not None
    assert "then" in done.difference.what and VerdictGiven.type in done.difference.what


async def test_the_next_generation_of_a_run_is_a_case_of_its_own() -> None:
    it = chain(Permanent("no", kind="rejected"), RIGHT)
    story = await it.ask(QUESTION)
    (letter,) = it.ledger.dead_letters
    await MemoryLetters(it.ledger).replay([letter], "me")
    await it.go_on(story.view.id)
    rows = case_rows(it.ledger, story.view.id, it.prompts)
    assert rows is not None
    first, second = made(rows, 1), made(rows)
    assert (first.ending.type, second.ending.type) == ("run.failed", "answer.accepted")
    assert (second.run.generation, second.run.began_with) == (2, 2)
    assert (await again(first)).as_recorded and (await again(second)).as_recorded


async def test_a_budget_that_was_used_up_is_used_up_again() -> None:
    agent = replace(documents, budget=Budget(tokens=1200, max_output_tokens=1000))
    case = await case_of(WRONG, RIGHT, agent=agent)
    assert (await again(case, agent)).as_recorded


async def test_what_a_failed_call_cost_is_paid_once_more_on_the_record() -> None:
    dear = Transient("half of it came", kind="malformed")
    dear.usage, dear.cost_usd = Usage(input_tokens=70, output_tokens=7), Decimal("0.25")
    case = await case_of(dear, RIGHT)
    assert case.cost.usage.input_tokens == 170
    assert (await again(case)).as_recorded


async def test_the_draw_of_a_delay_is_made_again_from_the_begin_that_it_belonged_to() -> None:
    told = data(await case_of(AWAY, RIGHT))
    put_off = told["attempts"][1]
    pointer = Pointer(told["run"]["id"], 1, put_off["seq"], "generate", 1)
    begun = cast(Begun, SimpleNamespace(pointer=pointer, number=7))
    outcome = RetryPolicy().settle(1, AWAY, chance(begun))
    assert isinstance(outcome, Postpone) and outcome.delay_s != put_off["delay_s"]
    put_off |= {"begins": 7, "delay_s": outcome.delay_s}
    for number, later in enumerate(told["attempts"][2:], start=8):
        later["begins"] = number
    assert (await again(loads(orjson.dumps(told)))).as_recorded


async def test_a_step_that_calls_out_by_itself_is_stopped() -> None:
    def asks_a_stranger(draft: Draft) -> Sequence[str]:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
        return []

    changed = replace(documents, checks=(*documents.checks, asks_a_stranger))
    with pytest.raises(LiveCall, match=r"192\.0\.2\.1:80"):
        await again(await case_of(RIGHT), changed)


async def test_the_time_of_this_machine_does_not_matter() -> None:
    case = await case_of(RIGHT)
    close = case.attempts[-1].began_at + timedelta(milliseconds=1)
    case = case.model_copy(update={"run": case.run.model_copy(update={"deadline": close})})
    assert (await again(case)).as_recorded


async def test_the_agent_is_the_one_that_the_case_names() -> None:
    case = await case_of(RIGHT)
    named = case.model_copy(update={"agent": case.agent.model_copy(update={"spec": "agent.agents:documents"})})
    bound, _ = bound_for(named)
    assert bound.agent is documents and bound.version == case.agent.version


async def test_an_attempt_whose_row_the_database_lost_changes_nothing() -> None:
    it = chain(WRONG, RIGHT)
    story = await it.ask(QUESTION)
    lost = next(token for token, row in it.ledger.attempts.items() if row.route == "generate")
    del it.ledger.attempts[lost]
    done = await again(it.case(story))
    assert done.as_recorded, done.difference
    assert len(done.then.earlier) == 1
