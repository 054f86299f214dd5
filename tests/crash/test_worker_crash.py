"""A worker is killed at each point of a delivery; another one takes over and nothing is lost, doubled or paid twice."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from agent.adapters.ledger.approvals import PostgresApprovals
from agent.agents import documents
from agent.approvals import Decided, Decision
from agent.testing.fake_model import Line, Script
from agent.testing.fake_model.script import ScriptedFunction, ScriptedToolCall
from tests.crash import toys
from tests.crash.crashing_worker import Death
from tests.crash.stage import ANSWER, Stage, Story, until

ROUTES = ("retrieve", "generate", "validate")
BEFORE = ("request.received", "passages.found", "answer.drafted")
JUDGED = ("verdict.given",) * (1 + len(documents.checks))
CHAIN = list(enumerate((*BEFORE, *JUDGED, "answer.accepted"), start=1))


@dataclass(frozen=True, slots=True)
class Point:
    """Where a worker dies: what the model will have been asked, and what stands on record, when all is over.

    `tries` is the number of attempts of the route, `unknown` that of calls nobody knows the outcome of.
    """

    name: str
    death: Death
    tries: int
    paid: int = 1
    unknown: int = 0


def points(route: str) -> list[Point]:
    tells = "ended" if route == "validate" else "publish"
    lost_call = int(route == "generate")
    return [
        Point("delivered", Death(route, "begin", "before"), tries=1),
        Point("begun", Death(route, "begin", "after"), tries=2),
        Point("decided", Death(route, "commit", "before"), tries=2, paid=1 + lost_call, unknown=lost_call),
        Point("committed", Death(route, "commit", "after"), tries=1),
        Point("told", Death(route, tells, "after"), tries=1),
        Point("acked", Death(route, "ack", "after"), tries=1),
    ]


POINTS = [
    *(point for route in ROUTES for point in points(route)),
    Point("searched", Death("retrieve", "search", "after"), tries=2),
    Point("intended", Death("generate", "intend", "after"), tries=2, unknown=1),
    Point("answered", Death("generate", "call", "after"), tries=2, paid=2, unknown=1),
]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point.death.route}-{point.name}")
async def test_a_killed_worker_leaves_one_ending_and_pays_for_no_recorded_answer_again(
    stage: Stage, point: Point
) -> None:
    run = await stage.ask()
    routes = ROUTES[: ROUTES.index(point.death.route) + 1]
    await stage.die(stage.work(routes, point.death))
    stage.work()
    await stage.end(run)
    story = await stage.story(run)
    assert_one_good_ending(story)
    assert len(story.paid) == point.paid
    assert_calls(story, unknown=point.unknown)
    assert story.tries == {**dict.fromkeys(ROUTES, 1), point.death.route: point.tries}
    assert story.view.attempts == len(story.attempts)


async def test_a_call_that_was_in_flight_when_its_worker_was_killed_is_shown_as_unknown(stage: Stage) -> None:
    await stage.model.play(
        Script(
            (
                Line(attempt=1, delay_ms=600_000, answer=ANSWER),
                Line(answer=ANSWER),
            )
        )
    )
    run = await stage.ask()
    worker = stage.work()

    async def asked() -> bool:
        return bool(await stage.model.log(run))

    await until(asked)
    worker.kill()
    stage.work()
    await stage.end(run)
    story = await stage.story(run)
    assert_one_good_ending(story)
    assert len(story.paid) == 2
    assert_calls(story, unknown=1)


@pytest.mark.parametrize(
    ("death", "unknown"),
    [
        (Death("ask_twice", "record", "after"), 0),
        (Death("ask_twice", "intend", "after", nth=2), 1),
    ],
    ids=["recorded", "intended"],
)
async def test_a_worker_killed_between_two_questions_does_not_pay_for_the_first_again(
    stage: Stage, death: Death, unknown: int
) -> None:
    stage.settings["agent"] = ("tests.crash.toys:twice",)
    await stage.model.play(
        Script(
            (
                Line(contains="first", answer="One."),
                Line(contains="second", answer="Two."),
            )
        )
    )
    run = await stage.ask()
    await stage.die(stage.work(death=death))
    stage.work()
    await stage.end(run)
    story = await stage.story(run)
    assert [seq for seq, _ in story.events] == [1, 2]
    assert story.view.ending is not None and "One. Two." in story.view.ending.data
    assert [call["answer"] for call in story.paid] == ["One.", "Two."]
    assert len(story.unknown) == unknown
    assert len(story.calls) == story.view.calls == 2 + unknown


@pytest.mark.parametrize(
    ("death", "done"),
    [
        (Death("tools", "record", "after"), ["flight", "hotel"]),
        (Death("tools", "record", "before"), ["flight", "flight", "hotel"]),
    ],
    ids=["recorded", "not recorded"],
)
async def test_of_two_tool_calls_the_finished_one_is_not_made_again_after_a_crash(
    stage: Stage, death: Death, done: list[str], tmp_path: Path
) -> None:
    log = str(tmp_path / "bookings")
    stage.settings["agent"] = ("tests.crash.toys:booking",)
    wanted = [orjson.dumps({"what": what, "log": log}).decode() for what in ("flight", "hotel")]
    calls = tuple(ScriptedToolCall(function=ScriptedFunction(name="book", arguments=each)) for each in wanted)
    await stage.model.play(Script((Line(attempt=1, tool_calls=calls), Line(answer="Both are booked."))))
    run = await stage.ask()
    await stage.die(stage.work(death=death))
    stage.work()
    await stage.end(run)
    lines = toys.booked(log)
    assert [what for _, _, what in lines] == done
    assert len({key for _, key, _ in lines}) == 2, "whoever makes a call again makes it with the same key"
    story = await stage.story(run)
    assert story.view.ending is not None and "Both are booked." in story.view.ending.data
    assert len(story.paid) == 2, "the model was asked once before the tools, and once after"


async def test_an_approval_that_is_given_after_every_worker_died_and_redis_forgot_all_continues_the_run(
    stage: Stage, tmp_path: Path
) -> None:
    log = str(tmp_path / "bookings")
    stage.settings["agent"] = ("tests.crash.toys:spending",)
    wanted = orjson.dumps({"what": "flight", "log": log}).decode()
    call = ScriptedToolCall(function=ScriptedFunction(name="book_and_pay", arguments=wanted))
    await stage.model.play(Script((Line(attempt=1, tool_calls=(call,)), Line(answer="It is booked."))))
    run = await stage.ask()
    worker = stage.work()
    approvals = PostgresApprovals(stage.store.ledger)

    async def waits() -> bool:
        return [it.run for it in await approvals.waiting(None)] == [run]

    await until(waits)
    worker.kill()
    worker.join()
    await stage.forget()
    assert toys.booked(log) == []
    assert await approvals.decide(run, None, Decision(True, "ann")) is Decided.DONE
    stage.work()
    await stage.end(run)
    story = await stage.story(run)
    assert [what for _, _, what in toys.booked(log)] == ["flight"]
    assert story.view.ending is not None and "It is booked." in story.view.ending.data
    assert len(story.paid) == 2


async def test_a_worker_that_froze_in_a_call_and_wakes_up_settles_nothing_and_its_bill_is_kept(stage: Stage) -> None:
    await stage.holds(2, 1)  # the answer to the first call comes once the second one was made
    run = await stage.ask()
    zombie = stage.work()
    await stage.asked(run)
    os.kill(zombie.pid or 0, signal.SIGSTOP)
    stage.work()
    await stage.end(run)
    os.kill(zombie.pid or 0, signal.SIGCONT)
    await stage.settled(run)
    story = await stage.story(run)
    assert story.events == CHAIN
    generated = [attempt for attempt in story.attempts if attempt.route == "generate"]
    loser, winner = sorted(generated, key=lambda attempt: attempt.settled is True)
    assert (loser.settled, winner.settled) == (False, True)
    bills = {call.token: call for call in story.calls}
    assert bills[loser.token].status == bills[winner.token].status == "answered"
    assert bills[loser.token].cost_usd == bills[winner.token].cost_usd
    assert bills[loser.token].cost_usd


def assert_one_good_ending(story: Story) -> None:
    assert story.events == CHAIN
    assert story.view.status == "completed"
    assert not story.open


def assert_calls(story: Story, unknown: int) -> None:
    """One answer is on record; the lost calls are shown, each with the most that it may have cost."""
    assert sorted(call.status for call in story.calls) == ["answered", *["unknown"] * unknown]
    assert all(call.worst_case_usd and call.cost_usd is None for call in story.unknown)
    assert story.view.calls == 1 + unknown
    assert (story.view.cost_usd is None) == bool(unknown)
