"""The hard caps of one run: calls, tokens and USD, whatever makes the calls."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from agent import Agent, Budget, CallModel, Draft, Permanent, Transient
from agent.errors import AgentError, Held, Overloaded
from agent.events import RunFailed, Usage
from agent.testing import Script
from agent.testing.rehearsal import rehearse
from agent.testing.replies import says
from tests.unit.test_perform import Desk, question, search
from workers.perform import Perform, Recording
from workers.spending import within_budget


def careful(desk: Desk, **limits: Any) -> Any:
    perform = Perform(desk.model, search)
    return within_budget(perform.bind(desk.begun), perform, desk.begun, Budget(**limits))


@pytest.mark.parametrize(
    "limits",
    [{"calls": 2}, {"usd": Decimal("1.2")}, {"tokens": 18, "max_output_tokens": 9}],
    ids=lambda it: next(iter(it)),
)
async def test_calls_that_are_made_at_once_do_not_share_what_is_left_for_one(limits: dict[str, Any]) -> None:
    desk = await Desk.opened()
    gate = asyncio.Event()
    desk.model.answers = [gate] * 5
    ask = careful(desk, **limits)
    asking = [asyncio.create_task(ask(question(str(number)))) for number in range(5)]
    await asyncio.wait(asking, return_when=asyncio.FIRST_EXCEPTION)
    gate.set()
    await asyncio.wait(asking)
    refused = [task.exception() for task in asking if task.exception()]
    assert len(desk.model.statuses_at_call) == 2 and len(refused) == 3, "five wanted to, and two were made"
    assert all(isinstance(it, Permanent) and it.kind == "budget" for it in refused)


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (Transient("gone", kind="transport"), True),
        (Permanent("no", kind="rejected"), True),
        (Overloaded("slow down", retry_after_s=1), False),
        (Held("on hold", wait_s=1, kind="server"), False),
    ],
)
async def test_a_failed_call_counts_unless_it_came_too_early(error: AgentError, counts: bool) -> None:
    desk = await Desk.opened()
    desk.model.answers = [error]
    ask = careful(desk, calls=1)
    with pytest.raises(type(error)):
        await ask(question())
    if not counts:
        assert (await ask(question())).text == "why?"
    with pytest.raises(Permanent, match="to 2 calls; it may spend 1"):
        await ask(question())


@pytest.mark.parametrize(
    ("error", "is_billed"),
    [
        (Transient("it broke off", kind="transport"), True),
        (Transient("it broke", kind="server"), True),
        (Overloaded("slow down", retry_after_s=1), False),
        (Permanent("no such key", kind="unauthorized"), False),
    ],
)
@pytest.mark.parametrize(
    "limits", [{"usd": Decimal("0.9")}, {"tokens": 10, "max_output_tokens": 9}], ids=["usd", "tokens"]
)
async def test_a_failed_call_holds_its_most_unless_nobody_bills_it(
    error: AgentError, is_billed: bool, limits: dict[str, Any]
) -> None:
    desk = await Desk.opened()
    desk.model.answers = [error]
    ask = Recording(careful(desk, **limits), Perform(desk.model, search), desk.begun, desk.ledger)
    with pytest.raises(type(error)):
        await ask(question("first"))
    (call,) = desk.begun.calls
    assert call.cost_usd == (None if is_billed else 0)
    if is_billed:
        with pytest.raises(Permanent, match="it may spend"):
            await ask(question("second"))
    else:
        assert (await ask(question("second"))).text == "second"


async def test_calls_of_earlier_attempts_count() -> None:
    desk = await Desk.opened()
    desk.begun.model_calls = 2
    with pytest.raises(Permanent):
        await careful(desk, calls=2)(question())
    assert (await careful(desk, calls=3)(question())).text == "why?"


async def test_a_refused_call_uses_up_nothing_so_that_a_cheaper_model_may_still_answer() -> None:
    desk = await Desk.opened()
    ask = careful(desk, tokens=20)
    desk.model.usage = Usage(output_tokens=1)
    dear = question().model_copy(update={"max_output_tokens": 21})
    with pytest.raises(Permanent):
        await ask(dear)
    assert (await ask(question())).text == "why?"


def never(draft: Draft) -> list[str]:
    return [f"not {draft.answer}"]


@pytest.mark.parametrize("calls", [1, 2, 3])
async def test_repairs_and_the_next_model_count_and_the_run_ends_with_a_typed_failure(calls: int) -> None:
    agent = Agent(name="a", prompt="chat", models=("m", "n"), checks=(never,), budget=Budget(repairs=1, calls=calls))
    words = iter("abcdefgh")
    script = Script({CallModel: lambda effect: says(next(words), model=effect.model)})
    story = await rehearse(agent, script).ask("Well?")
    assert isinstance(story.ending, RunFailed) and story.ending.code == "budget"
    assert "calls" in story.ending.message
    assert [effect.model for effect in script.of(CallModel)] == ["m", "m", "n"][:calls]


async def test_a_model_that_fails_and_the_one_that_is_asked_instead_are_two_calls() -> None:
    agent = Agent(name="a", prompt="chat", models=("m", "n"), budget=Budget(calls=1))
    script = Script({CallModel: [Transient("gone", kind="transport")]})
    story = await rehearse(agent, script).ask("Well?")
    assert isinstance(story.ending, RunFailed) and story.ending.code == "budget"
    assert len(script.asked) == 1
