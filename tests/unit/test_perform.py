"""What a worker does around each question to the world: intents, recorded answers, budgets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
import pytest

from agent.effects import CallModel, Found, ModelAnswer, Search
from agent.errors import Gone, Overloaded, Permanent
from agent.events import Usage
from agent.ports import Begun, Delivery
from agent.request import Message
from agent.steps import Budget
from agent.testing import MemoryCancels, MemoryLedger
from tests.contract.toys import new_run
from workers.perform import Perform, Recording
from workers.spending import within_budget

SEARCH = Search(collection="default", query="tides")


def question(text: str = "why?") -> CallModel:
    return CallModel(model="m", prompt="p@1", messages=(Message(role="user", content=text),), max_output_tokens=9)


@dataclass
class Price:
    endpoint: str = "e"
    worst_case_usd: Decimal | None = Decimal("0.5")
    paid: bool = True


@dataclass
class Model:
    """Answers each question with its own words, or does what it is told."""

    ledger: MemoryLedger
    answers: list[Any] = field(default_factory=list)
    statuses_at_call: list[list[str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    usage: Usage = field(default_factory=Usage)
    timeout_s: float = 0.0

    def quote(self, effect: CallModel) -> Price:
        return Price()

    async def call(self, effect: CallModel, *, timeout_s: float, headers: Mapping[str, str]) -> ModelAnswer:
        self.statuses_at_call.append([call.status for call in self.ledger.calls.values()])
        self.headers, self.timeout_s = headers, timeout_s
        self.asked.set()
        answer = self.answers.pop(0) if self.answers else effect.messages[-1].content
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        return ModelAnswer(text=str(answer), model="m", endpoint="e", cost_usd=Decimal("0.25"), usage=self.usage)


async def search(effect: Search, project: str) -> Found:
    return Found(passages=(), index_version=7)


@dataclass
class Desk:
    ledger: MemoryLedger
    model: Model
    begun: Begun
    ask: Recording

    @classmethod
    async def opened(cls) -> Desk:
        ledger = MemoryLedger()
        await ledger.open(new_run())
        return await cls.again(ledger, Model(ledger))

    @classmethod
    async def again(cls, ledger: MemoryLedger, model: Model) -> Desk:
        begun = await ledger.begin(Delivery(new_run().pointer, "1-1", "w"))
        assert begun is not None
        perform = Perform(model, search)
        return cls(ledger, model, begun, Recording(perform.bind(begun), perform, begun, ledger))


async def test_a_paid_call_is_on_record_before_it_is_made() -> None:
    desk = await Desk.opened()
    await desk.ask(question())
    assert desk.model.statuses_at_call == [["asked"]]
    (call,) = desk.ledger.calls.values()
    assert call.worst_case_usd == Decimal("0.5")


async def test_an_answer_is_on_record_before_the_next_question_is_asked() -> None:
    desk = await Desk.opened()
    await desk.ask(question("one"))
    await desk.ask(question("two"))
    assert desk.model.statuses_at_call[1] == ["answered", "asked"]


async def test_an_answer_on_record_is_given_again_and_not_paid_again() -> None:
    desk = await Desk.opened()
    first = await desk.ask(question())
    await desk.ledger.record(desk.begun)
    heir = await Desk.again(desk.ledger, desk.model)
    assert await heir.ask(question()) == first
    assert len(desk.model.statuses_at_call) == 1


async def test_the_same_question_asked_twice_in_one_delivery_is_two_calls() -> None:
    desk = await Desk.opened()
    desk.model.answers = ["heads", "tails"]
    assert [(await desk.ask(question())).text, (await desk.ask(question())).text] == ["heads", "tails"]
    await desk.ledger.record(desk.begun)
    heir = await Desk.again(desk.ledger, desk.model)
    assert [(await heir.ask(question())).text, (await heir.ask(question())).text] == ["heads", "tails"]


async def test_a_search_is_recorded_and_is_no_paid_call() -> None:
    desk = await Desk.opened()
    assert (await desk.ask(SEARCH)).index_version == 7
    (call,) = desk.begun.calls
    assert (call.status, call.intended, call.worst_case_usd) == ("answered", False, None)


async def test_a_failed_call_keeps_its_reason_and_its_bill() -> None:
    desk = await Desk.opened()
    error = Overloaded("slow down", retry_after_s=3)
    error.cost_usd = Decimal("0.1")
    desk.model.answers = [error]
    with pytest.raises(Overloaded):
        await desk.ask(question())
    (call,) = desk.begun.calls
    assert (call.status, call.error_kind, call.cost_usd) == ("failed", "rate_limited", Decimal("0.1"))
    assert orjson.loads(call.fault or "") == {"error": "Overloaded", "wait_s": 3.0}


async def test_a_bug_behind_a_paid_call_is_told_and_what_became_of_the_call_is_unknown() -> None:
    desk = await Desk.opened()
    desk.model.answers = [ZeroDivisionError("by nothing")]
    with pytest.raises(ZeroDivisionError):
        await desk.ask(question())
    (call,) = desk.begun.calls
    assert (call.status, call.error_kind, call.error) == ("unknown", "bug", "by nothing")


async def test_a_call_that_was_cut_off_is_unknown() -> None:
    desk = await Desk.opened()
    desk.model.answers = [asyncio.Event()]
    asking = asyncio.create_task(desk.ask(question()))
    await desk.model.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [call.status for call in desk.begun.calls] == ["unknown"]


async def test_an_endpoint_is_told_which_run_and_prompt_it_answers() -> None:
    desk = await Desk.opened()
    await desk.ask(question())
    assert desk.model.headers["x-cuelight-run"] == desk.begun.pointer.run
    assert desk.model.headers["x-cuelight-prompt"] == "p@1"
    assert desk.model.headers["x-cuelight-request"] == desk.begun.calls[0].hash


async def test_no_call_is_made_that_could_break_the_budget() -> None:
    desk = await Desk.opened()
    perform = Perform(desk.model, search)
    ask = within_budget(perform.bind(desk.begun), perform, desk.begun, Budget(usd=Decimal("0.9")))
    await ask(question("one"))
    await ask(question("two"))  # the first cost less than it might have
    with pytest.raises(Permanent, match=r"to 1\.00 USD; it may spend 0\.9") as caught:
        await ask(question("three"))
    assert (caught.value.kind, caught.value.cost_usd, len(desk.model.statuses_at_call)) == ("budget", Decimal(0), 2)


async def test_no_call_is_made_once_the_run_was_cancelled() -> None:
    desk = await Desk.opened()
    await desk.ask(question("one"))
    await MemoryCancels(desk.ledger).cancel(desk.begun.pointer.run, None, "client")
    with pytest.raises(Gone):
        await desk.ask(question("two"))
    assert len(desk.model.statuses_at_call) == 1
    assert [call.status for call in desk.ledger.calls.values()] == ["answered"], "the first is billed"


async def test_no_call_is_made_for_whose_reply_no_tokens_are_left() -> None:
    desk = await Desk.opened()
    desk.model.usage = Usage(input_tokens=10, output_tokens=5)
    perform = Perform(desk.model, search)
    budget = Budget(tokens=9 + 15, max_output_tokens=9)
    ask = within_budget(perform.bind(desk.begun), perform, desk.begun, budget)
    await ask(question("one"))
    await ask(question("two"))
    with pytest.raises(Permanent, match="39 tokens; it may spend 24") as caught:
        await ask(question("three"))
    assert (caught.value.kind, len(desk.model.statuses_at_call)) == ("budget", 2)


@pytest.mark.parametrize(("spent", "unknown"), [(16, 0), (7, 1)])
async def test_tokens_of_earlier_attempts_count_and_unknown_calls_as_full_replies(spent: int, unknown: int) -> None:
    desk = await Desk.opened()
    desk.begun.spent_tokens, desk.begun.unknown_calls = spent, unknown
    perform = Perform(desk.model, search)
    for tokens in (24, 25):
        ask = within_budget(perform.bind(desk.begun), perform, desk.begun, Budget(tokens=tokens, max_output_tokens=9))
        if tokens == 25:
            assert (await ask(question())).text == "why?"
            continue
        with pytest.raises(Permanent):
            await ask(question())


async def test_the_time_that_is_left_bounds_each_call() -> None:
    desk = await Desk.opened()
    desk.begun.remaining_s = 3.0
    await Perform(desk.model, search).bind(desk.begun)(question())
    assert 0 < desk.model.timeout_s <= 3.0
