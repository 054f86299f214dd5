"""The verdict over a whole request: nothing is found where nothing is wrong, and each broken promise is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from agent import Budget
from agent.agents import documents
from agent.cases import Case
from agent.cases.case import Asked, Happened
from agent.errors import Overloaded, Permanent
from agent.events import AnswerAccepted
from agent.testing.verdict import PROMISES, Evidence, Told, verdict
from tests.runs import RIGHT, WRONG, case_of

MADE_UP = {**WRONG, "answer": "Zephyrs juggle marmalade."}
Break = Callable[[Evidence], Evidence]


async def evidence_of(*said: Any) -> Evidence:
    """What an honest service would leave behind of such a run."""
    case = await case_of(*said)
    assert case.run.ended_at is not None
    reply, calls = Told(200, body_of(case), case.run.ended_at), [it for it in case.asked() if it.type == "call_model"]
    return Evidence([reply, reply], case, [entry(n, asked, case) for n, asked in enumerate(calls, start=1)], documents)


def body_of(case: Case, **changes: Any) -> str:
    ending = case.ending
    text = AnswerAccepted.model_validate_json(ending.text).text if ending.type == AnswerAccepted.type else ""
    output = [{"type": "message", "content": [{"type": "output_text", "text": text}]}] if text else []
    told = {"id": case.run.id, "object": "response", "status": case.run.status, "output": output, **changes}
    return orjson.dumps(told).decode()


def entry(n: int, asked: Asked, case: Case, **changes: Any) -> Mapping[str, Any]:
    """A call as the fake model logs it, a second after the one before."""
    answer = asked.answer["text"] if isinstance(asked.answer, dict) else None
    assert isinstance(asked.effect, dict)
    told = {"n": n, "at": float(n), "ended_at": n + 0.1, "run": case.run.id, "request": asked.hash, "status": 200}
    wait_s = asked.fault.wait_s if asked.fault else None
    return {**told, "body": {"model": "m"}, "answer": answer, "retry_after_s": wait_s, **changes}


def again(it: Evidence, **changes: Any) -> Evidence:
    """With the last call of the log once more."""
    last = it.log[-1]
    return replace(it, log=[*it.log, {**last, "n": last["n"] + 1, **changes}])


def told(it: Evidence, **changes: Any) -> Evidence:
    """With another thing said to a client."""
    return replace(it, told=[*it.told, replace(it.told[0], body=body_of(it.case, **changes))])


def case(it: Evidence, **changes: Any) -> Evidence:
    return replace(it, case=it.case.model_copy(update=changes))


def within(it: Evidence, budget: Budget) -> Evidence:
    return replace(it, agent=replace(it.agent, budget=budget))


def run(it: Evidence, **changes: Any) -> Evidence:
    return case(it, run=it.case.run.model_copy(update=changes))


def shown(text: str) -> list[Any]:
    return [{"type": "message", "content": [{"type": "output_text", "text": text}]}]


def without(it: Evidence, *types: str) -> Evidence:
    return case(it, events=tuple(event for event in it.case.events if event.type not in types))


def refused(it: Evidence) -> Evidence:
    """With one verdict turned round."""
    events = list(it.case.events)
    place = max(n for n, event in enumerate(events) if event.type == "verdict.given")
    data = {**orjson.loads(events[place].text), "passed": False}
    events[place] = Happened.model_validate({**events[place].model_dump(), "data": data})
    return case(it, events=tuple(events))


def late(it: Evidence) -> Evidence:
    assert it.case.run.ended_at is not None
    return run(it, deadline=it.case.run.ended_at - timedelta(seconds=1))


def off(it: Evidence, **followed: Any) -> Evidence:
    return replace(it, followed={"off_trace": [], "off_trace_count": 0, "unserved": [], **followed})


BREAKS: list[tuple[str, str, Break]] = [
    ("one_answer", "2 endings", lambda it: case(it, events=(*it.case.events, it.case.ending))),
    ("one_answer", "0 endings", lambda it: without(it, "answer.accepted")),
    ("one_answer", "no client", lambda it: replace(it, told=[Told(503, "{}", it.told[0].at)])),
    ("one_answer", "was told that it failed", lambda it: told(it, status="failed")),
    ("one_answer", "2 different answers", lambda it: told(it, output=shown("Three years."))),
    ("nothing_unvalidated", "Three years.", lambda it: told(it, output=shown("Three years."))),
    ("nothing_unvalidated", "Zephyrs", lambda it: told(it, error={"message": "It said: Zephyrs juggle marmalade."})),
    ("nothing_unvalidated", "refused the draft", refused),
    ("nothing_unvalidated", "not judged by answers_something, citations", lambda it: without(it, "verdict.given")),
    ("within_budget", "2 calls", lambda it: within(it, Budget(calls=1))),
    ("within_budget", "240 tokens", lambda it: within(it, Budget(tokens=200))),
    ("within_budget", "2 drafts", lambda it: within(it, Budget(repairs=0))),
    ("nothing_paid_twice", "asked 2 times; on record: 1 meant", again),
    ("nothing_paid_twice", "on record: nothing", lambda it: again(it, request="f" * 64)),
    ("in_time", "and ended", late),
    ("in_time", "was told", late),
    ("on_the_trace", "line 7", lambda it: off(it, off_trace=[{"told": "nearest is line 7"}], off_trace_count=1)),
    ("on_the_trace", "3 more", lambda it: off(it, off_trace_count=3)),
    ("trace_used_up", "4, 5", lambda it: off(it, unserved=[4, 5])),
]


async def test_nothing_is_wrong_with_runs_as_they_should_be() -> None:
    for said in ([RIGHT], [MADE_UP, RIGHT], [Overloaded("later", retry_after_s=0.5), RIGHT], [Permanent("no")]):
        assert verdict(await evidence_of(*said)) == []


@pytest.mark.parametrize(("name", "words", "broken"), BREAKS, ids=[f"{name}: {words}" for name, words, _ in BREAKS])
async def test_a_broken_promise_is_found_with_what_shows_it(name: str, words: str, broken: Break) -> None:
    found = verdict(broken(await evidence_of(MADE_UP, RIGHT)))
    assert any(it.name == name and words in it.evidence for it in found), found


def test_each_promise_is_broken_by_one_of_these_tests() -> None:
    assert {name for name, _, _ in BREAKS} | {"retry_after_obeyed"} == set(PROMISES)


async def test_money_and_failed_attempts_count_too() -> None:
    it = await evidence_of(*[Overloaded("busy", retry_after_s=0.0, kind="server")] * 3, RIGHT)
    assert [each.name for each in verdict(within(it, Budget(failures=2)))] == ["within_budget"]
    dear = tuple(
        attempt.model_copy(
            update={"asked": tuple(one.model_copy(update={"cost_usd": Decimal(3)}) for one in attempt.asked)}
        )
        for attempt in it.case.attempts
    )
    (found,) = verdict(case(within(it, Budget(usd=Decimal(5))), attempts=dear))
    assert found.name == "within_budget" and "12 USD" in found.evidence


@pytest.mark.parametrize(
    ("at", "model", "early"),
    [(1.15, "m", False), (1.5, "m", True), (1.5, "other", False), (3.2, "m", False)],
    ids=["under way already", "early", "another model", "in time"],
)
async def test_whoever_asks_a_model_while_it_is_to_be_left_alone_is_named(at: float, model: str, early: bool) -> None:
    it = await evidence_of(Overloaded("later", retry_after_s=2.0), RIGHT)
    mine = [{**it.log[0], "ended_at": 1.1}, {**it.log[1], "at": 9.0, "ended_at": 9.1}]
    another = {**it.log[1], "n": 7, "run": "resp_other", "at": at, "body": {"model": model}}
    found = verdict(replace(it, log=[*mine, another]))
    assert [each.name for each in found] == ["retry_after_obeyed"] * early
    assert not early or "call 7 (run resp_other) came 0.400 s after call 1 was told to wait 2 s" in str(found[0])


async def test_a_call_that_is_on_record_as_lost_may_be_made_again() -> None:
    it = await evidence_of(RIGHT)
    place = next(n for n, attempt in enumerate(it.case.attempts) if attempt.route == "generate")
    attempts = list(it.case.attempts)
    lost = attempts[place].asked[0].model_copy(update={"status": "unknown", "answer": None})
    attempts.insert(place, attempts[place].model_copy(update={"outcome": None, "settled": None, "asked": (lost,)}))
    assert verdict(again(case(it, attempts=tuple(attempts)))) == []


async def test_what_two_other_runs_did_to_each_other_is_not_held_against_this_one() -> None:
    it = await evidence_of(RIGHT)
    told = {**it.log[0], "n": 7, "run": "resp_other", "retry_after_s": 2.0, "ended_at": 1.1}
    assert verdict(replace(it, log=[*it.log, told, {**told, "n": 8, "at": 1.9, "retry_after_s": None}])) == []
