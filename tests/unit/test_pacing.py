"""A worker's side of pacing: whose turn it is, what a call teaches, and what is done while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from agent.effects import CallModel, ModelAnswer
from agent.errors import Held, Overloaded, Permanent, Transient
from agent.events import AnswerAccepted, AnswerDrafted, DraftRejected, Event, Problem, Usage
from agent.failures import FAILING, INVALID
from agent.items import TextFormat, TextOptions
from agent.pacing import Allowance, Board, Came, Hold, Paid, Target, Turn, Wanted
from agent.ports import Begun, Delivery, Refusal
from agent.request import Message, Request
from agent.run import Run
from agent.steps.generate import gravest
from agent.testing import HeldClock, MemoryLedger, MemoryPacer
from agent.testing.clock import START
from tests.contract.toys import new_run
from workers.pacing import KNOCK_S, Knocking, Pacing
from workers.perform import Perform, Recording, paced

MODEL, OTHER = Target("near", "m"), Target("far", "n")
MODELS = {"m": Paid(MODEL), "n": Paid(OTHER)}
WAIT = Overloaded("slow down", retry_after_s=7)


@dataclass
class Price:
    endpoint: str = "near"
    worst_case_usd: Decimal | None = Decimal("0.5")
    paid: bool = True


@dataclass
class Model:
    """Answers, or does what it is told."""

    answers: list[Any] = field(default_factory=list)
    asked: int = 0

    def quote(self, effect: CallModel) -> Price:
        return Price()

    async def call(self, effect: CallModel, **_: Any) -> ModelAnswer:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else "Well."
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        return ModelAnswer(text="Well.", model="m-2026", endpoint="near", usage=Usage(input_tokens=3, output_tokens=4))


class Time:
    """A monotonic clock that the test holds, and the store's with it."""

    def __init__(self) -> None:
        self.store, self.now = HeldClock(), 100.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.store.advance(seconds)


@dataclass
class Desk:
    """One worker, with a run to work on."""

    ledger: MemoryLedger
    pacer: MemoryPacer
    pacing: Pacing
    model: Model
    time: Time
    refusals: list[Refusal] = field(default_factory=list)

    @classmethod
    async def opened(cls, *answers: Any, **limits: Any) -> Desk:
        ledger, time = MemoryLedger(), Time()
        await ledger.open(new_run())
        models = {name: replace(paid, allowance=Allowance(**limits)) for name, paid in MODELS.items()}
        pacer = MemoryPacer(time.store)
        pacing = Pacing(pacer, Board(time), models, time)
        return cls(ledger, pacer, pacing, Model(list(answers)), time)

    async def begun(self) -> Begun:
        begun = await self.ledger.begin(Delivery(new_run().pointer, "1-1", "w"))
        assert begun is not None
        return begun

    async def ask(self, model: str = "m") -> ModelAnswer:
        """As a step would, in a delivery of its own; what follows from it is settled."""
        begun, perform = await self.begun(), Perform(self.model, None)  # type: ignore[arg-type]  # nothing is searched
        ask = Recording(paced(perform.bind(begun), self.pacing, begun), perform, begun, self.ledger, self.pacing)
        message = Message(role="user", content=f"why, {begun.number}?")
        try:
            return await ask(CallModel(model=model, prompt="p@1", messages=(message,), max_output_tokens=9))
        finally:
            self.refusals += begun.refusals
            await self.ledger.record(begun)
            await self.pacing.drain()

    async def is_held(self) -> Sequence[Hold]:
        return await self.pacer.holds([MODEL, OTHER])


async def test_a_call_that_was_told_to_wait_holds_the_model_here_at_once_and_in_the_store_for_all() -> None:
    desk = await Desk.opened(WAIT)
    with pytest.raises(Overloaded):
        await desk.ask()
    assert desk.pacing.board.held(MODEL) is not None
    (held,) = await desk.is_held()
    assert (held.target, held.kind) == (MODEL, "rate_limited")


async def test_a_model_on_hold_is_not_called_and_no_call_is_on_record() -> None:
    desk = await Desk.opened(WAIT)
    with pytest.raises(Overloaded):
        await desk.ask()
    with pytest.raises(Held) as raised:
        await desk.ask()
    assert (raised.value.kind, desk.model.asked, len(desk.ledger.calls)) == ("rate_limited", 1, 1)
    assert 0 < raised.value.wait_s <= 7
    (refusal,) = desk.refusals
    assert (refusal.error, refusal.model, refusal.wait_s) == ("Held", MODEL.model, raised.value.wait_s)
    desk.time.advance(7)
    await desk.ask()
    assert desk.model.asked == 2


async def test_a_hold_that_another_worker_met_is_found_by_asking() -> None:
    desk = await Desk.opened()
    other = await desk.pacer.reserve(Wanted(MODEL, "toy", "elsewhere"))
    assert isinstance(other, Turn)
    await desk.pacer.settle(other, Came("rate_limited", wait_s=5))
    with pytest.raises(Held):
        await desk.ask()
    assert desk.model.asked == 0
    assert desk.pacing.board.held(MODEL) is not None


async def test_a_hold_that_comes_while_the_call_is_put_on_record_keeps_it_from_being_made() -> None:
    desk = await Desk.opened()
    intend = desk.ledger.intend

    async def slowly(*asked: Any) -> None:
        await intend(*asked)
        desk.pacing.board.put(Hold(MODEL, "rate_limited", 3.0))

    desk.ledger.intend = slowly  # type: ignore[method-assign]
    with pytest.raises(Held):
        await desk.ask()
    (call,) = desk.ledger.calls.values()
    assert desk.model.asked == 0
    assert (call.status, call.error_kind, call.cost_usd) == ("failed", "rate_limited", Decimal(0))
    assert await desk.is_held() == [], "what was not made says nothing about the model"


async def test_many_failed_calls_open_the_breaker() -> None:
    desk = await Desk.opened(*[Transient("broken", kind="server")] * FAILING.failures)
    for _ in range(FAILING.failures):
        with pytest.raises(Transient):
            await desk.ask()
    with pytest.raises(Held):
        await desk.ask()
    assert desk.model.asked == FAILING.failures


async def test_a_call_that_was_broken_off_says_nothing_about_the_model() -> None:
    desk = await Desk.opened(*[Transient("broken", kind="server")] * FAILING.failures, asyncio.Event())
    for _ in range(FAILING.failures):
        with pytest.raises(Transient):
            await desk.ask()
    desk.time.advance(FAILING.first_s)
    probe = asyncio.create_task(desk.ask())
    while desk.model.asked <= FAILING.failures:  # noqa: ASYNC110  # the model rings no bell
        await asyncio.sleep(0)
    assert [it.probing for it in await desk.is_held()] == [True]
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert [(it.kind, it.probing) for it in await desk.is_held()] == [("server", False)], "another one may find out"


async def test_a_model_whose_quota_is_used_up_is_not_called_and_the_run_need_not_wait() -> None:
    desk = await Desk.opened(Permanent("pay", kind="quota"))
    for _ in range(2):
        with pytest.raises(Permanent) as raised:
            await desk.ask()
        assert raised.value.kind == "quota"
    assert desk.model.asked == 1
    assert not desk.pacing.waiting(["m"]), "nobody should wait for it"


async def test_what_a_call_used_is_settled_and_its_place_is_free_again() -> None:
    desk = await Desk.opened(concurrency=1, tokens_per_min=30)
    for _ in range(3):
        await desk.ask()
    assert desk.model.asked == 3


async def test_who_waits_for_a_place_asks_less_often_the_more_often_it_asked_in_vain() -> None:
    desk = await Desk.opened(concurrency=1)
    await desk.pacer.reserve(Wanted(MODEL, "toy", "elsewhere", allowance=Allowance(concurrency=1)))
    waits = []
    for _ in range(7):
        with pytest.raises(Held) as raised:
            await desk.ask()
        waits.append(raised.value.wait_s)
        desk.time.advance(1)
    assert waits == sorted(waits)
    assert waits[0] <= 0.5
    assert waits[-1] == 8.0


async def test_a_long_hold_is_asked_about_again_since_an_operator_may_end_it() -> None:
    desk = await Desk.opened(Overloaded("slow down", retry_after_s=600))
    for error in (Overloaded, Held):
        with pytest.raises(error) as raised:
            await desk.ask()
    assert raised.value.wait_s == 5.0  # type: ignore[attr-defined]


async def test_without_the_store_calls_are_made_and_the_worker_keeps_the_pauses_it_was_told_of() -> None:
    desk = await Desk.opened("fine", WAIT)
    desk.pacer.reachable = False
    await desk.ask()
    with pytest.raises(Overloaded):
        await desk.ask()
    with pytest.raises(Held):
        await desk.ask()
    assert desk.model.asked == 2
    desk.time.advance(7)
    await desk.ask()


async def test_a_store_that_hangs_holds_up_one_call_and_is_then_left_alone_for_a_while() -> None:
    desk = await Desk.opened()
    asked = 0

    async def never(wanted: Wanted, /) -> Turn:
        nonlocal asked
        asked += 1
        return await asyncio.Event().wait()  # type: ignore[return-value]

    desk.pacer.reserve = never  # type: ignore[method-assign]
    await desk.ask()
    await desk.ask()
    assert (asked, desk.model.asked) == (1, 2)


# ------------------------------------------------------------------------------------------------ verdicts


def run_of(**changes: Any) -> Run:
    request = Request(messages=(Message(role="user", content="Well?"),), **changes)
    start = new_run()
    return Run(
        id=start.id,
        generation=1,
        project="p",
        agent="toy",
        request=request,
        deadline=START,
        prompts={},
        events=(),
    )


def drafted(model: str = "m") -> AnswerDrafted:
    return AnswerDrafted(draft="Well.", model=model, endpoint="near", prompt="p@1")


REJECTED = DraftRejected(problems=(Problem(check="c", message="no"),), repairs=0)


async def judged(desk: Desk, run: Run, draft: AnswerDrafted, verdict: Event = REJECTED) -> Sequence[Hold]:
    for _ in range(INVALID.failures):
        desk.pacing.saw(run, draft, [verdict])
    await desk.pacing.drain()
    return await desk.is_held()


async def test_drafts_that_fail_the_agents_checks_hold_the_model_for_this_agent() -> None:
    (held,) = await judged(await Desk.opened(), run_of(), drafted())
    assert (held.target, held.kind, held.agent) == (MODEL, "invalid", "toy@p")


async def test_what_one_project_has_a_model_write_closes_it_for_no_other_project() -> None:
    desk = await Desk.opened()
    here = (await desk.begun()).pointer.project
    await judged(desk, run_of(), drafted())
    await desk.ask()
    await judged(desk, replace(run_of(), project=here), drafted())
    with pytest.raises(Held):
        await desk.ask()


async def test_drafts_that_pass_hold_nothing() -> None:
    assert await judged(await Desk.opened(), run_of(), drafted(), AnswerAccepted(text="Well.")) == []


async def test_a_form_that_a_client_brought_says_nothing_about_the_model() -> None:
    form = TextOptions(format=TextFormat(type="json_schema", name="f", json_schema="{}"))
    assert await judged(await Desk.opened(), run_of(text=form), drafted()) == []


async def test_the_model_is_known_by_the_name_that_its_endpoint_reports() -> None:
    desk = await Desk.opened()
    desk.pacing.models = {**MODELS, "m-mini": Paid(Target("near", "m-mini"))}
    assert await judged(desk, run_of(), drafted("m-2026")) == [], "it may be either of two"
    await desk.ask()
    (held,) = await judged(desk, run_of(), drafted("m-2026"))
    assert held.target == MODEL


# ------------------------------------------------------------------------------------------------ the copy, the routes


async def test_a_route_waits_while_all_of_its_models_are_on_hold_and_no_longer() -> None:
    desk = await Desk.opened()
    assert not desk.pacing.waiting([])
    desk.pacing.board.put(Hold(MODEL, "rate_limited", 5))
    assert not desk.pacing.waiting(["m", "n"])
    assert not desk.pacing.waiting(["m", "offline"])
    desk.pacing.board.put(Hold(OTHER, "server", 3))
    assert desk.pacing.waiting(["m", "n"])
    desk.pacing.board.put(Hold(OTHER, "", 0))
    assert not desk.pacing.waiting(["m", "n"])
    desk.time.advance(5)
    assert not desk.pacing.waiting(["m"])


async def test_a_hold_for_one_agent_stops_no_route() -> None:
    desk = await Desk.opened()
    desk.pacing.board.put(Hold(MODEL, "invalid", 5, agent="toy"))
    assert not desk.pacing.waiting(["m"])


def test_a_route_that_waits_is_looked_into_every_two_seconds_all_the_same() -> None:
    time, waits = Time(), True
    resting = Knocking(lambda: waits, time)
    told = []
    for _ in range(41):
        told.append(resting())
        time.advance(0.1)
    assert 37 <= sum(told) < 41
    assert KNOCK_S < 41 * 0.1
    waits = False
    assert not resting()


async def test_the_copy_follows_what_the_store_tells() -> None:
    desk, stop = await Desk.opened(), asyncio.Event()
    following = asyncio.create_task(desk.pacing.run(stop))

    async def until_held(held: bool) -> None:
        async with asyncio.timeout(20):
            while (desk.pacing.board.held(MODEL) is not None) is not held:  # noqa: ASYNC110  # the copy rings no bell
                await asyncio.sleep(0)

    other = await desk.pacer.reserve(Wanted(MODEL, "toy", "elsewhere"))
    assert isinstance(other, Turn)
    await asyncio.sleep(0)
    await desk.pacer.settle(other, Came("rate_limited", wait_s=5))
    await until_held(True)
    await desk.pacer.resume(MODEL)
    await until_held(False)
    stop.set()
    await following


# ------------------------------------------------------------------------------------------------ chains


BROKEN, NO = Transient("broken", kind="server"), Permanent("no", kind="rejected")
LONG = Permanent("too long", kind="context_length_exceeded")
SOON, LATER = Held("on hold", wait_s=1, kind="server"), Held("on hold", wait_s=9, kind="transport")


@pytest.mark.parametrize(
    ("failed", "gravest_is"),
    [
        ([BROKEN, SOON], BROKEN),
        ([SOON, BROKEN], BROKEN),
        ([LATER, SOON], SOON),
        ([LATER, WAIT], WAIT),
        ([WAIT, SOON, NO], SOON),
        ([NO, LATER], LATER),
        ([LONG, NO], LONG),
        ([NO, LONG], LONG),
        ([LONG, SOON], SOON),
    ],
)
def test_of_a_chain_that_failed_what_may_pass_is_tried_again_and_who_is_free_first_is_waited_for(
    failed: list[Transient | Permanent], gravest_is: Exception
) -> None:
    assert gravest(failed) is gravest_is


def test_a_chain_without_a_model_is_refused() -> None:
    assert gravest([]).kind == "rejected"
