"""A case runs again with the agent as it is now: what was asked then is answered as it was, and all else is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from agent import Agent, Budget, Draft
from agent.agents import chat, documents
from agent.cases import Case, dumped, loads, made
from agent.checks.draft import grounding
from agent.errors import Misconfigured, Overloaded, Permanent, Transient
from agent.events import AnswerAccepted, AnswerDrafted, ApprovalDecided, RunFailed
from agent.prompting import Prompt, PromptBook
from agent.prompting.book import SHIPPED
from agent.testing import (
    Chain,
    MemoryLetters,
    Script,
    Unscripted,
    assert_as_then,
    assert_waited_as_told,
    calls,
    says,
)
from agent.testing.cases import case_rows
from agent.testing.chains import Chains
from agent.testing.replaying import again
from agent.tools import ToolContext, tool
from tests.runs import QUESTION, RIGHT, WRONG, case_of, chain

SLOW = Overloaded("slow down", retry_after_s=3)
AWAY = Transient("no line", kind="transport")
OTHER = {**WRONG, "answer": "It has two years of warranty."}


def hows(it: Any) -> list[tuple[str, str]]:
    return [(served.effect.type, served.how) for served in it.served if served.effect.type != "search"]


def book(**changes: str) -> PromptBook:
    """The shipped prompts, where the one for answers says more."""
    found = PromptBook.load(SHIPPED)
    sources = dict(found.current("answer").sources)
    name = next(name for name in sources if name.startswith("system"))
    sources[name] += changes.get("more", "")
    found.start_with([Prompt.from_sources(sources)])
    return found


@pytest.mark.parametrize(
    "said",
    [
        [RIGHT],
        [WRONG, RIGHT],
        [WRONG, OTHER, WRONG],
        [SLOW, SLOW, RIGHT],
        [AWAY] * 14,
        [Permanent("no")],
        ["Sure!", RIGHT],
    ],
)
async def test_an_agent_that_did_not_change_comes_to_the_same_ending(said: list[Any]) -> None:
    case = await case_of(*said)
    now = await again(loads(dumped(case)), agent=documents)
    assert now.events[-1].model_dump_json() == case.ending.text
    assert now.view.calls == case.cost.calls
    assert {how for _, how in hows(now)} == {"recorded"}


async def test_a_mended_check_lets_the_answer_of_then_pass() -> None:
    case = await case_of(WRONG, OTHER, WRONG)
    now = await again(case, agent=replace(documents, checks=()))
    assert isinstance(now.ending, AnswerAccepted) and hows(now) == [("call_model", "recorded")]


async def test_a_mended_prompt_asks_another_question_which_the_script_answers_or_the_words_of_then() -> None:
    case, mended = await case_of(WRONG, OTHER, WRONG), book(more=" Quote word for word.")
    now = await again(case, Script(says(RIGHT)), agent=documents, prompts=mended)
    assert isinstance(now.ending, AnswerAccepted) and hows(now) == [("call_model", "scripted")]
    kept = await again(case, agent=documents, prompts=mended)
    assert isinstance(kept.ending, RunFailed) and hows(kept) == [("call_model", "kept"), ("call_model", "kept")]
    assert "another question, answered with what was said in its place" in str(kept.served[1])
    same = await again(case, Script(says(RIGHT)), agent=documents)
    assert isinstance(same.ending, RunFailed) and {how for _, how in hows(same)} == {"recorded"}


async def test_a_question_in_whose_place_nothing_stood_wants_a_line_of_the_script() -> None:
    case = await case_of(RIGHT)

    @grounding
    def is_long(draft: Draft) -> list[str]:
        return [] if len(draft.answer) > 40 else ["the answer is too short"]

    strict = replace(documents, checks=(*documents.checks, is_long))
    with pytest.raises(Unscripted, match=r"call_model scripted with answer@.* give it a line of the script: script"):
        await again(case, agent=strict)
    longer = {**RIGHT, "answer": "The lamp has a warranty of two years, as its page says."}
    now = await again(case, Script(says(longer)), agent=strict)
    assert isinstance(now.ending, AnswerAccepted)
    assert [it.how for it in now.served] == ["recorded", "recorded", "kept", "scripted"]  # the wider search is new


async def test_what_a_budget_refused_then_is_judged_by_the_budget_of_now() -> None:
    tight = replace(documents, budget=Budget(calls=1))
    case = await case_of(WRONG, agent=tight)
    assert case.ending.data["code"] == "budget"  # type: ignore[index]
    assert (await again(case, agent=tight)).ending.public()["code"] == "budget"
    roomy = await again(case, Script(says(RIGHT)), agent=documents)
    assert isinstance(roomy.ending, AnswerAccepted) and hows(roomy)[-1] == ("call_model", "scripted")


async def test_time_passes_as_it_did_and_a_deadline_of_now_counts() -> None:
    told: dict[str, Any] = orjson.loads(dumped(await case_of(WRONG, RIGHT)))
    for attempt in told["attempts"]:
        for asked in attempt.get("asked", ()):
            asked["duration_ms"] = 40_000.0 if asked["effect"]["type"] == "call_model" else 0.0
    case = loads(orjson.dumps(told))
    now = await again(case, agent=documents)
    assert isinstance(now.ending, AnswerAccepted)
    assert (now.view.ended_at - now.view.created_at).total_seconds() == 80.0  # type: ignore[operator]
    hasty = await again(case, agent=replace(documents, budget=Budget(deadline_s=60)))
    assert hasty.ending.public()["code"] == "deadline_exceeded"
    assert sum(isinstance(event, AnswerDrafted) for event in hasty.events) == 1


class Order(BaseModel):
    id: str


def shop(*said: Any, broken: bool) -> tuple[Agent, list[str]]:
    made: list[str] = []

    @tool(retries=0)
    async def find_order(order: Order, context: ToolContext) -> str:
        """Find an order."""
        made.append(order.id)
        if broken:
            raise KeyError("state")
        return "shipped"

    return replace(chat, tools=(find_order,)), made


async def test_tools_are_answered_from_the_record_unless_they_are_to_be_called() -> None:
    agent, made = shop(broken=True)
    case = await case_of(calls("find_order", id="A-1"), "It cannot be looked up.", agent=agent)
    assert made.pop() == "A-1"
    recorded = await again(case, agent=agent)
    assert not made and recorded.events[-1].model_dump_json() == case.ending.text
    mended, made = shop(broken=False)
    now = await again(case, Script(says("It was shipped.")), agent=mended, real=["find_order"])
    assert made == ["A-1"] and now.ending.text == "It was shipped."  # type: ignore[attr-defined]
    assert hows(now) == [("call_model", "recorded"), ("call_tool", "called"), ("call_model", "scripted")]


async def test_a_later_generation_comes_again_without_the_failures_of_the_one_before() -> None:
    it = chain(Permanent("no", kind="rejected"), WRONG, RIGHT)
    story = await it.ask(QUESTION)
    (letter,) = it.ledger.dead_letters
    await MemoryLetters(it.ledger).replay([letter], "me")
    second = it.case(await it.go_on(story.view.id))
    assert second.run.generation == 2
    assert_as_then(await again(second, agent=documents))
    rows = case_rows(it.ledger, story.view.id, it.prompts)
    assert rows is not None
    first = made(rows, 1)
    assert (await again(first, agent=documents)).ending.public()["code"] == "rejected"


async def test_what_a_dead_worker_had_asked_in_vain_is_not_waited_for() -> None:
    told: dict[str, Any] = orjson.loads(dumped(await case_of(RIGHT)))
    first = told["attempts"][1]
    lost = {**first["asked"][0], "status": "unknown", "answer": None}
    told["attempts"].insert(1, {**first, "outcome": None, "settled": None, "ended_at": None, "asked": [lost]})
    now = await again(loads(orjson.dumps(told)), agent=documents)
    assert_as_then(now)
    assert hows(now) == [("call_model", "recorded")]


@pytest.mark.parametrize("approve", [True, False])
async def test_what_somebody_decided_then_is_decided_again(approve: bool) -> None:
    @tool(approval=True, approval_s=60)
    async def pay(order: Order) -> str:
        """Pay."""
        return f"paid {order.id}"

    payer = replace(chat, tools=(pay,))
    model = Script(calls("pay", id="A-1"), says("Done."))
    it = Chain.of(payer, model, approve=approve)
    case = it.case(await it.ask("Pay."))
    now = await again(case, agent=payer)
    assert now.events[-1].model_dump_json() == case.ending.text
    decided = next(event for event in now.events if isinstance(event, ApprovalDecided))
    assert (len(decided.approved), len(decided.denied)) == (int(approve), int(not approve))


async def test_a_budget_of_tokens_counts_what_the_answers_of_then_used_up() -> None:
    tight = replace(documents, budget=Budget(tokens=1100, max_output_tokens=1000))
    case = await case_of(WRONG, RIGHT)
    assert (await again(case, agent=tight)).ending.public()["code"] == "budget"
    assert isinstance((await again(case, agent=documents)).ending, AnswerAccepted)


async def test_a_model_that_was_on_hold_is_not_called_before_it_is_free() -> None:
    told: dict[str, Any] = orjson.loads(dumped(await case_of(AWAY, RIGHT)))
    put_off = told["attempts"][1]
    (asked,) = put_off["asked"]
    fault = {"error": "Held", "kind": "rate_limited", "message": "on hold", "wait_s": 2.0}
    put_off |= {"asked": [], "outcome": "park", "error_kind": "rate_limited", "error": "Held: on hold"}
    put_off["refused"] = [{"hash": asked["hash"], "type": "call_model", "model": "scripted", "fault": fault}]
    now = await again(loads(orjson.dumps(told)), agent=documents)
    assert isinstance(now.ending, AnswerAccepted)
    assert (now.view.ended_at - now.view.created_at).total_seconds() >= 2.0  # type: ignore[operator]
    assert_waited_as_told(now)


async def test_an_agent_that_cannot_be_had_is_refused() -> None:
    case: Case = await case_of(RIGHT)
    with pytest.raises(Misconfigured, match="name it as module:attribute"):
        await again(case)


@pytest.mark.parametrize("named", ["again", "as_recorded"])
async def test_a_coroutine_is_told_how_it_runs_a_case_again(named: str) -> None:
    case = await case_of(RIGHT)
    with pytest.raises(RuntimeError, match="plain `def`"):
        getattr(Chains(), named)(case, agent=documents)
