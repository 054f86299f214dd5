"""The helpers of `agent.testing` themselves; that the twin keeps the ledger's promises is `tests/contract`'s."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.definition import Agent, BoundAgent
from agent.effects import Ask, Found, Search
from agent.envelope import index, seal, unseal
from agent.errors import Transient
from agent.events import CATALOGUE, AnswerAccepted, Event, RequestReceived
from agent.outcome import Advance, Bury, Outcome, Postpone, failure_of
from agent.ports import Delivery, Ledger, Pointer, Streams
from agent.request import Request
from agent.router import Route, Router
from agent.run import Run
from agent.testing import Chain, HeldClock, MemoryLedger, MemoryStreams, Script, Unscripted

SEARCH = Search(collection="default", query="tides")
FOUND = Found(passages=(), index_version=3)


def test_a_held_clock_stands_still_until_it_is_turned() -> None:
    clock = HeldClock(datetime(2026, 5, 1, tzinfo=UTC))
    before = clock.now()
    assert clock.now() == before
    clock.advance(1.5)
    assert clock.now() - before == timedelta(seconds=1.5)
    clock.advance_to(before)
    assert clock.now() - before == timedelta(seconds=1.5)


def test_a_held_clock_does_not_run_backwards_and_has_a_time_zone() -> None:
    with pytest.raises(ValueError, match="backwards"):
        HeldClock().advance(-1)
    with pytest.raises(ValueError, match="time zone"):
        HeldClock(datetime(2026, 5, 1))  # noqa: DTZ001 - that is what is refused


async def test_a_script_gives_its_answers_in_order_and_keeps_what_was_asked() -> None:
    script = Script({Search: [Transient("no line"), FOUND]})
    with pytest.raises(Transient, match="no line"):
        await script(SEARCH)
    assert script.left() == {"search": 1}
    assert await script(SEARCH) == FOUND
    assert script.asked == [SEARCH, SEARCH] == script.of(Search)
    assert script.left() == {}


async def test_one_answer_needs_no_list() -> None:
    script = Script({Search: FOUND})
    assert script.left() == {"search": 1} and await script(SEARCH) == FOUND
    with pytest.raises(Unscripted, match="no line left"):
        await script(SEARCH)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("Noon.", "is no table"),
        ([FOUND], "is no table"),
        ({Search: "Noon."}, "is no line"),
        ({Search: 3}, "is no line"),
    ],
)
def test_what_is_no_script_is_refused_with_what_there_is(lines: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Script(lines)


async def test_a_script_may_answer_with_a_function() -> None:
    script = Script({Search: lambda effect: Found(passages=(), index_version=len(effect.query))})
    assert [(await script(SEARCH)).index_version for _ in range(2)] == [5, 5]


@pytest.mark.parametrize("lines", [{}, {Search: []}, {Search: [RequestReceived(agent="a")]}])
async def test_what_is_not_scripted_fails_past_every_handler_of_errors(lines: dict[type[Search], list[Event]]) -> None:
    script = Script(lines)
    with pytest.raises(Unscripted, match="search"):
        try:
            await script(SEARCH)
        except Exception:
            pytest.fail("a hole in a script must not look like an error of the world")


async def test_an_unreachable_twin_raises_transient() -> None:
    ledger, streams = MemoryLedger(), MemoryStreams()
    ledger.reachable = streams.reachable = False
    with pytest.raises(Transient):
        await ledger.view("resp_1", "default")
    with pytest.raises(Transient):
        await streams.publish(Pointer("resp_1", 1, 1, "first", 1))


async def test_streams_deliver_what_is_pending_once_more_and_forget_what_they_lose() -> None:
    streams = MemoryStreams()
    for run in ("resp_1", "resp_2"):
        await streams.publish(Pointer(run, 1, 1, "first", 1))
    assert streams.waiting() == {"first": 2}
    first = streams.read("first", 1)
    assert streams.waiting() == {"first": 1}
    streams.redeliver()
    assert streams.read("first", 1) == first
    streams.lose_everything()
    assert streams.waiting() == {} and streams.pending("first") == []


class Worker:
    """Begin, decide, commit, ack: as short as it can be. `plan` holds an outcome for every delivery but the last."""

    def __init__(self, agent: BoundAgent, ask: Ask, plan: Sequence[Outcome | None] = ()) -> None:
        self._agent, self._ask, self._plan = agent, ask, list(plan)

    async def __call__(self, delivery: Delivery, /, *, ledger: Ledger, streams: Streams) -> None:
        begun = await ledger.begin(delivery)
        assert begun is not None
        events = tuple(unseal(envelope.sealed, self._agent.catalogue) for envelope in begun.events)
        run = Run(
            delivery.pointer.run, "default", begun.agent, Request.model_validate_json(begun.request), begun.deadline
        )
        outcome = self._plan.pop(0) if self._plan else await self._advance(events, run)
        if outcome is not None:
            await ledger.commit(begun, outcome)
        await streams.ack(delivery)

    async def _advance(self, events: Sequence[Event], run: Run) -> Advance:
        told = await self._agent.router.route(events[-1]).step(events[-1], run, self._ask)
        return Advance(tuple(map(seal, told)), self._agent.router.next(told), "completed")


async def echo(event: RequestReceived, run: Run, ask: Ask) -> Sequence[Event]:
    found = await ask(Search(collection="default", query=run.request.question))
    return [AnswerAccepted(text=f"{run.request.question} {found.index_version}")]


ECHO = BoundAgent(
    Agent(name="echo", prompt="none"),
    Router([Route("echo", RequestReceived, echo, (AnswerAccepted,))]),
    index(CATALOGUE),
    {},
    (),
    "1.0.0+00000000",
)


async def test_a_chain_takes_a_question_to_its_ending_and_tells_its_story() -> None:
    chain = Chain(ECHO, Worker(ECHO, Script({Search: [FOUND]})))
    story = await chain.ask("when?")
    assert story.ending == AnswerAccepted(text="when? 3") == story.events[-1]
    assert [event.type for event in story.events] == ["request.received", "answer.accepted"]
    assert (story.view.status, story.view.agent, story.view.attempts) == ("completed", "echo", 1)
    assert chain.streams.entries("echo") == {}


async def test_a_chain_turns_the_clock_to_postponed_work() -> None:
    chain = Chain(ECHO, Worker(ECHO, Script({Search: [FOUND]}), [Postpone(60, "transport", "no")]))
    before = chain.ledger.clock.now()
    story = await chain.ask("when?")
    assert (story.view.status, story.view.attempts) == ("completed", 2)
    assert chain.ledger.clock.now() - before == timedelta(seconds=60)


async def test_a_chain_tells_of_a_failure_too_and_then_of_the_next_run() -> None:
    chain = Chain(ECHO, Worker(ECHO, Script({Search: [FOUND]}), [Bury("rejected", "no", failure_of("rejected"))]))
    assert (await chain.ask("when?")).ending == failure_of("rejected")
    assert (await chain.ask("when?")).ending.status == "completed"


async def test_a_chain_buries_what_is_no_pointer_and_goes_on() -> None:
    chain = Chain(ECHO, Worker(ECHO, Script({Search: [FOUND]})))
    chain.streams.put("echo", {"hello": "world"})
    assert (await chain.ask("when?")).ending.status == "completed"
    assert [letter.kind for letter in chain.ledger.dead_letters.values()] == ["unreadable"]


@pytest.mark.parametrize(
    "plan", [[None], [Postpone(600, "unfamiliar", "newer", counted=False)] * 2], ids=["lost", "late"]
)
async def test_a_chain_says_so_when_a_run_comes_to_no_ending(plan: list[Outcome | None]) -> None:
    with pytest.raises(RuntimeError, match="came to no ending"):
        await Chain(ECHO, Worker(ECHO, Script(), plan)).ask("when?")
