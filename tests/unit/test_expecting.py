"""Assertions about a case that was run again fail where they have to, and name the reason of then."""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent import Budget
from agent.agents import chat, documents
from agent.cases import Case
from agent.effects import TOOL_FAILED
from agent.errors import Overloaded, Permanent, Transient
from agent.events import AnswerAccepted, CalledTool, RunFailed, ToolsAnswered
from agent.testing import (
    Rerun,
    Script,
    Unscripted,
    assert_answered,
    assert_as_then,
    assert_cancelled,
    assert_mended,
    assert_nothing_unchecked,
    assert_tools_worked,
    assert_waited_as_told,
    assert_within_budget,
    says,
)
from agent.testing.chains import Chains
from agent.testing.replaying import again
from tests.runs import RIGHT, WRONG, case_of

OTHER = {**WRONG, "answer": "It has two years of warranty."}
SLOW = Overloaded("slow down", retry_after_s=3)
STRICT = replace(documents, budget=Budget(repairs=0))


def fails(claim: Callable[[], object], words: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s){re.escape(words)}.*what happened:.*what was asked:"):
        claim()


async def rerun(*said: Any, **more: Any) -> Rerun:
    return await again(await case_of(*said), agent=more.pop("agent", documents), **more)


async def test_what_failed_then_is_mended_once_there_is_an_answer_and_else_it_says_how_it_fails() -> None:
    bad = await case_of(WRONG, OTHER, WRONG)
    assert isinstance(assert_mended(await again(bad, agent=replace(documents, checks=()))), AnswerAccepted)
    same = await again(bad, agent=documents)
    fails(lambda: assert_mended(same), "it fails as it did then: no_valid_answer: The answer did not pass")
    fails(lambda: assert_mended(same), 'quotes_are_found: the quote "a warranty of nine lives" does not stand')
    other = await again(bad, agent=replace(documents, budget=Budget(deadline_s=1e-6)))
    fails(lambda: assert_mended(other), "it failed then: no_valid_answer: ")
    fails(lambda: assert_mended(other), "it fails otherwise now: deadline_exceeded")
    crashed = await rerun(*[ZeroDivisionError("by nothing")] * 3)
    fails(lambda: assert_mended(crashed), "after 3 attempts: ZeroDivisionError: by nothing")


async def test_a_part_that_is_not_as_it_was_is_shown_on_both_sides() -> None:
    case = await case_of(WRONG, RIGHT)
    assert_as_then(await again(case, agent=documents))
    strict = replace(documents, budget=Budget(repairs=0))
    with pytest.raises(AssertionError, match=r"(?s)answer: it is not as it was.*then:.*two years.*now:"):
        assert_as_then(await again(case, agent=strict), "answer")
    now = await again(case, agent=replace(documents, checks=()))
    assert_as_then(now, "answer")
    fails(lambda: assert_as_then(now, "citations"), "citations: it is not as it was")
    fails(lambda: assert_as_then(now, "verdicts"), "verdicts: it is not as it was")
    fails(lambda: assert_as_then(now, "calls"), "calls: it is not as it was\nthen:\n  calls: 2\nnow:\n  calls: 1")


async def test_calls_beyond_the_budget_are_told_and_those_that_came_too_early_do_not_count() -> None:
    now = await rerun(*[Transient("no", kind="transport")] * 13, RIGHT)
    assert_within_budget(now)
    tight = replace(now.agent, agent=replace(documents, budget=Budget(calls=13)))
    fails(lambda: assert_within_budget(replace(now, agent=tight)), "called 14 times, and the budget allows 13")
    limited = await rerun(SLOW, SLOW, RIGHT)
    assert_within_budget(replace(limited, agent=replace(tight, agent=replace(documents, budget=Budget(calls=1)))))


async def test_whoever_was_told_to_wait_and_came_too_early_is_told() -> None:
    now = await rerun(SLOW, RIGHT)
    assert_waited_as_told(now)
    early = tuple(replace(it, at=it.at - timedelta(seconds=n)) for n, it in enumerate(now.served))
    fails(lambda: assert_waited_as_told(replace(now, served=early)), "it was asked to wait 3 s, and came again after 2")


async def test_words_of_a_draft_that_is_no_answer_are_found_wherever_they_are_shown() -> None:
    for said in ([WRONG, OTHER, WRONG], [WRONG, RIGHT], [RIGHT], [Permanent("no")]):
        assert_nothing_unchecked(await rerun(*said))
    now = await rerun(WRONG, OTHER, WRONG)
    leak = RunFailed(code="no_valid_answer", message="Not so: a warranty of nine lives")
    leaking = replace(now, ending=leak, events=(*now.events[:-1], leak))
    fails(lambda: assert_nothing_unchecked(leaking), "'a warranty of nine lives' was shown")


async def test_a_tool_that_brought_nothing_or_failed_by_its_code_is_named() -> None:
    now = await rerun(RIGHT)
    fails(lambda: assert_tools_worked(now, "pay"), "the tool 'pay' brought no result")
    for failed, text in ((True, TOOL_FAILED), (True, "no such order"), (False, TOOL_FAILED)):
        result = CalledTool(call_id="1", name="pay", text=text, failed=failed)
        told = replace(now, events=(ToolsAnswered(results=(result,), round=1), *now.events))
        if failed and text == TOOL_FAILED:
            fails(lambda told=told: assert_tools_worked(told, "pay"), "the tool 'pay' fails as it did then: The tool")  # type: ignore[misc]
        else:
            assert_tools_worked(told, "pay")
    fails(lambda: assert_cancelled(now), "the run was not cancelled")


async def test_an_answer_may_have_to_match_a_pattern() -> None:
    now = await rerun(RIGHT)
    assert_answered(now, matches=r"two \w+")
    fails(lambda: assert_answered(now, matches="^years"), "nothing in the answer matches '^years'")


def with_spec(case: Case) -> Case:
    return case.model_copy(update={"agent": case.agent.model_copy(update={"spec": "agent.agents:documents"})})


async def asked() -> tuple[Case, Case]:
    return with_spec(await case_of(RIGHT)), await case_of("Hello.", agent=chat)


def test_cases_run_again_without_a_loop_of_the_test_with_the_agent_that_they_or_the_settings_name() -> None:
    named, nameless = asyncio.run(asked())
    assert_as_then(Chains().again(named))
    assert_as_then(Chains("agent.agents:chat").again(nameless, Script(says("x")), apart=True))
    recorded = Chains().as_recorded(named)
    assert_answered(recorded, "two years")
    other = replace(documents, checks=())
    with pytest.raises(AssertionError, match="does not come again as it was recorded: event"):
        Chains().as_recorded(named, agent=other)


def test_a_question_without_an_answer_is_told_to_a_test_in_its_words_and_not_by_the_chain_that_asked_it() -> None:
    unasked = asyncio.run(case_of(Permanent("no", kind="rejected"), agent=chat))
    other = replace(chat, tools=(), budget=Budget(max_output_tokens=77))
    unasked = unasked.model_copy(update={"attempts": ()})
    with pytest.raises(Unscripted) as found:
        Chains().again(unasked, agent=other)
    shown = "".join(traceback.format_exception(found.value))
    assert "give it a line of the script" in shown
    assert "no running event loop" not in shown and "During handling" not in shown
    assert "perform.py" not in shown and "decide.py" not in shown
