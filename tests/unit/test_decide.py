"""How a worker turns whatever happens to a delivery into an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from agent.definition import Agent, BoundAgent
from agent.effects import Ask
from agent.envelope import Sealed
from agent.errors import Overloaded, Permanent, Transient, Unfamiliar
from agent.events import AnswerAccepted, Event, PassagesFound, RequestReceived
from agent.outcome import Advance, Bury, Outcome, Postpone
from agent.ports import Begun, Delivery
from agent.prompting import SHIPPED, PromptBook
from agent.router import Route
from agent.run import Run
from agent.steps import Parts
from agent.testing import MemoryLedger
from tests.contract.toys import new_run
from workers.decide import Decider, chance
from workers.perform import Perform

Step = Callable[[Any, Run, Ask], Coroutine[Any, Any, Sequence[Event]]]


def agent_of(step: Step) -> BoundAgent:
    def routes(parts: Parts) -> list[Route[Any]]:
        return [Route("count", RequestReceived, step, (AnswerAccepted,))]

    return Agent(name="toy", prompt="chat", routes=routes).bind(PromptBook.load(SHIPPED), ("m",))


async def attempt_at(ledger: MemoryLedger) -> Begun:
    """A begun attempt at a run that received a request."""
    await ledger.open(new_run())
    begun = await ledger.begin(Delivery(new_run().pointer, "1-1", "w"))
    assert begun is not None
    sealed = Sealed("request.received", 1, '{"agent":"toy"}')
    begun.events = [type(begun.events[0])(begun.events[0].key, sealed, begun.events[0].at)]
    begun.prompts = {}
    return begun


async def attempt(**changes: Any) -> Begun:
    begun = await attempt_at(MemoryLedger())
    if newest := changes.pop("newest", None):
        begun.events = [type(begun.events[0])(begun.events[0].key, newest, begun.events[0].at)]
    for name, value in changes.items():
        setattr(begun, name, value)
    return begun


def decider_of(step: Step, ledger: MemoryLedger) -> Decider:
    perform = Perform(models=None, search=None)  # type: ignore[arg-type]  # these steps ask nothing

    class Archive:
        async def keep_prompt(self, name: str, version: str, sources: str) -> None: ...
        async def kept_prompt(self, name: str, version: str) -> str | None:
            return None

    return Decider({"toy": agent_of(step)}, perform, ledger, PromptBook.load(SHIPPED), Archive())


async def decided(step: Step, begun: Begun) -> Outcome:
    return await decider_of(step, MemoryLedger())(begun)


def returning(*events: Event) -> Step:
    async def step(event: Any, run: Run, ask: Ask) -> Sequence[Event]:
        return events

    return step


def raising(error: Exception) -> Step:
    async def step(event: Any, run: Run, ask: Ask) -> Sequence[Event]:
        raise error

    return step


FINE = returning(AnswerAccepted(text="42"))


async def test_a_step_that_ends_the_run_advances_it_to_its_ending() -> None:
    outcome = await decided(FINE, await attempt())
    assert isinstance(outcome, Advance)
    assert (outcome.route, outcome.status, outcome.events[0].type) == (None, "completed", "answer.accepted")


@pytest.mark.parametrize(
    "error",
    [Transient("away"), Overloaded("wait", retry_after_s=7, kind="server"), ValueError("a bug"), TimeoutError()],
)
async def test_what_may_pass_is_tried_again(error: Exception) -> None:
    outcome = await decided(raising(error), await attempt())
    assert isinstance(outcome, Postpone)
    assert outcome.counted


async def test_a_named_waiting_time_is_obeyed() -> None:
    outcome = await decided(raising(Overloaded("wait", retry_after_s=7)), await attempt())
    assert isinstance(outcome, Postpone)
    assert outcome.delay_s >= 7


async def test_what_cannot_be_mended_is_buried_with_a_typed_failure() -> None:
    outcome = await decided(raising(Permanent("no such model", kind="rejected")), await attempt())
    assert isinstance(outcome, Bury)
    assert (outcome.kind, outcome.failure.code) == ("rejected", "rejected")


async def test_a_failure_message_for_the_client_holds_nothing_of_the_error() -> None:
    outcome = await decided(raising(Permanent("SECRET draft text")), await attempt())
    assert isinstance(outcome, Bury)
    assert "SECRET" in outcome.reason
    assert "SECRET" not in outcome.failure.message


async def test_a_step_that_returns_nothing_or_an_event_for_nobody_is_buried() -> None:
    stray = PassagesFound(query="", collection="c", index_version=0, passages=())
    for step in (returning(), returning(stray), returning(AnswerAccepted(text="42"), stray)):
        outcome = await decided(step, await attempt())
        assert isinstance(outcome, Bury)
        assert outcome.kind == "unroutable"


async def test_work_that_stopped_its_workers_too_often_is_buried_without_another_try() -> None:
    outcome = await decided(raising(AssertionError("was tried")), await attempt(deliveries=9))
    assert isinstance(outcome, Bury)
    assert outcome.kind == "deliveries"


@pytest.mark.parametrize(
    "newest",
    [Sealed("request.received", 99, "{}"), Sealed("answer.sung", 1, "{}")],
    ids=["a newer version", "an unknown type"],
)
async def test_an_event_of_a_newer_release_is_parked_and_burns_no_attempt(newest: Sealed) -> None:
    outcome = await decided(FINE, await attempt(newest=newest))
    assert isinstance(outcome, Postpone)
    assert not outcome.counted


async def test_a_run_of_an_agent_that_is_not_here_is_parked() -> None:
    outcome = await decided(FINE, await attempt(agent="elsewhere"))
    assert isinstance(outcome, Postpone)
    assert not outcome.counted


async def test_a_run_whose_prompt_version_is_nowhere_is_parked() -> None:
    outcome = await decided(FINE, await attempt(prompts={"chat": "0.0.1+00000000"}))
    assert isinstance(outcome, Postpone)
    assert not outcome.counted


async def test_an_event_that_cannot_be_read_is_buried() -> None:
    outcome = await decided(FINE, await attempt(newest=Sealed("request.received", 1, "not json")))
    assert isinstance(outcome, Bury)
    assert outcome.kind == "undecodable"


async def test_a_step_is_cut_off_at_the_deadline_with_a_typed_failure() -> None:
    async def step(event: Any, run: Run, ask: Ask) -> Sequence[Event]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    outcome = await decided(step, await attempt(remaining_s=0.0))
    assert isinstance(outcome, Advance)
    assert (outcome.route, outcome.status) == (None, "failed")
    assert '"code":"deadline_exceeded"' in outcome.events[-1].data


async def test_a_step_that_would_be_quick_is_not_begun_after_the_deadline() -> None:
    outcome = await decided(FINE, await attempt(remaining_s=-0.1))
    assert isinstance(outcome, Advance) and outcome.status == "failed"
    assert '"code":"deadline_exceeded"' in outcome.events[-1].data


async def test_the_jitter_of_an_attempt_is_the_same_whenever_it_is_asked() -> None:
    begun = await attempt()
    assert chance(begun) == chance(begun)
    assert 0 <= chance(begun) < 1


async def test_a_run_that_failed_too_often_at_its_steps_together_is_given_up() -> None:
    before, last = await attempt(failures=22), await attempt(failures=23)
    assert isinstance(await decided(raising(Transient("away", kind="server")), before), Postpone)
    given = await decided(raising(Transient("away", kind="server")), last)
    assert isinstance(given, Bury)
    assert (given.kind, given.failure.code) == ("retries", "server"), "the client is told what it failed of"
    assert "24th failed attempt" in given.reason and "away" in given.reason


async def test_parking_is_no_failure_of_the_run() -> None:
    parked = await decided(raising(Unfamiliar("newer")), await attempt(failures=1_000))
    assert isinstance(parked, Postpone) and not parked.counted
