"""Whose fault an ending was: one table over the code, and for a run that was late, where its time went."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from agent.agents import chat
from agent.cases import Case, dumped, loads
from agent.cases.causes import CODES, Cause, Kind, cause_of, spent_s
from agent.effects import TOOL_FAILED
from agent.errors import Permanent, Transient
from agent.failures import CLASSES
from agent.outcome import MESSAGES
from agent.testing import calls
from agent.tools import ToolError, tool
from tests.runs import RIGHT, WRONG, case_of, says

OTHER = {**WRONG, "answer": "It has two years of warranty."}
BEGAN, DEADLINE = "2026-01-01T12:00:00Z", "2026-01-01T12:00:10Z"


def late(*attempts: dict[str, Any]) -> Case:
    """A run of ten seconds whose time was over, after these attempts."""
    run = {"id": "resp_1", "status": "failed", "created_at": BEGAN, "began_at": BEGAN, "deadline": DEADLINE}
    first = {"seq": 1, "type": "request.received", "at": BEGAN, "data": {}}
    ending = {"seq": 2, "type": "run.failed", "at": DEADLINE, "data": {"code": "deadline_exceeded", "message": ""}}
    told = {"cuelight_case": 1, "run": {**run, "ended_at": DEADLINE}, "agent": {"name": "a", "version": "1"}}
    told |= {"request": {}, "events": [first, ending], "attempts": list(attempts)}
    return loads(orjson.dumps(told))


def attempt(start: int, end: int, *asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    times = {"began_at": f"2026-01-01T12:00:{start:02}Z", "ended_at": f"2026-01-01T12:00:{end:02}Z"}
    return {"seq": 1, "route": "generate", "attempt": 1, "outcome": "advance", **times, "asked": asked, **more}


def call(seconds: float, *, answered: bool, type: str = "call_model") -> dict[str, Any]:
    said = {"status": "answered", "answer": {"text": "x"}} if answered else {"status": "unknown"}
    return {"hash": "h", "effect": {"type": type, "tool": "t"}, "duration_ms": seconds * 1000, **said}


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ([RIGHT], Kind.WELL, "it was answered"),
        ([WRONG, RIGHT], Kind.WELL, "it was answered"),
        ([WRONG, OTHER, WRONG], Kind.MENDABLE, "no draft passed the checks: quotes_are_found"),
        ([ZeroDivisionError("by nothing")] * 3, Kind.MENDABLE, "nobody raised on purpose"),
        ([Permanent("no", kind="parcels")], Kind.MENDABLE, "a step or a tool of the agent gave up"),
        ([Permanent("no", kind="rejected")], Kind.MENDABLE, "refused the request as we made it"),
        ([Permanent("no", kind="quota")], Kind.WORLD, "quota"),
        ([Transient("no", kind="transport")] * 14, Kind.WORLD, "could not be reached"),
    ],
)
async def test_the_code_of_a_run_says_whose_fault_it_was(said: list[Any], kind: Kind, words: str) -> None:
    case = await case_of(*said)
    found = cause_of(case)
    assert (found.kind, found.outside, found.deadly) == (kind, False, False) and words in found.why
    expected = cause_of(case, "three years")
    assert expected.kind is Kind.EXPECTED and expected.why == f"{found.why}; something else should have come"


def test_every_code_that_a_client_may_see_and_every_class_of_failure_has_its_row() -> None:
    ours_anyway = {"invalid", "truncated", "previous", "refused", "deadline_exceeded"}
    assert {*MESSAGES, *CLASSES} - ours_anyway <= set(CODES)
    assert [code for code, row in CODES.items() if row.deadly] == ["deliveries"]


class Order(BaseModel):
    id: str


async def test_a_tool_whose_code_failed_is_to_be_mended_and_one_that_said_no_is_not() -> None:
    @tool(retries=0)
    async def find_order(order: Order) -> str:
        """Find an order."""
        if order.id == "A-2":
            raise ToolError("there is no order A-2")
        raise KeyError(order.id)

    shop = replace(chat, tools=(find_order,))
    broken = cause_of(await case_of(calls("find_order", id="A-1"), "It cannot be found.", agent=shop))
    assert broken.kind is Kind.MENDABLE and broken.tools == ("find_order",)
    assert broken.why == "it was answered, but the code of find_order failed" and TOOL_FAILED not in broken.why
    refused = cause_of(await case_of(calls("find_order", id="A-2"), "There is none.", agent=shop))
    assert refused.kind is Kind.WELL and not refused.tools


OURS = ("ours", Kind.MENDABLE, False)


@pytest.mark.parametrize(
    ("attempts", "most", "kind", "outside"),
    [
        ([], "waiting", Kind.WORLD, True),
        ([attempt(0, 10, call(9, answered=False))], "world", Kind.WORLD, False),
        ([attempt(0, 2, call(1.5, answered=False), delay_s=8.0, error_kind="server")], "world", Kind.WORLD, False),
        (
            [attempt(it, it, delay_s=0.9, error_kind="rate_limited") for it in range(0, 10, 2)],
            "world",
            Kind.WORLD,
            False,
        ),
        (
            [attempt(it, it, delay_s=0.9, error_kind="rate_limited") for it in (0, 1, 9)],
            "waiting",
            Kind.WORLD,
            True,
        ),
        (
            [attempt(0, 7, call(7, answered=True)), attempt(7, 10, call(3, answered=False))],
            "ours",
            Kind.MENDABLE,
            False,
        ),
        ([attempt(0, 10, call(9, answered=False, type="call_tool"))], *OURS),
        ([attempt(0, 9)], *OURS),
        ([attempt(0, 1, delay_s=9.0, error_kind="bug")], *OURS),
        ([attempt(0, 1, delay_s=9.0, error_kind="ledger")], "waiting", Kind.WORLD, True),
    ],
)
def test_a_run_that_was_late_is_the_fault_of_whoever_had_most_of_its_time(
    attempts: list[dict[str, Any]], most: str, kind: Kind, outside: bool
) -> None:
    case = late(*attempts)
    spent = spent_s(case)
    assert max(spent, key=lambda it: spent[it]) == most and sum(spent.values()) == pytest.approx(10)
    found = cause_of(case)
    assert (found.kind, found.outside, found.code) == (kind, outside, "deadline_exceeded")
    assert "of 10.0 s" in found.why


async def test_an_answer_that_was_cut_is_told_as_one() -> None:
    cut = says("Half of an ans", finish_reason="length")
    case = await case_of(cut, agent=chat)
    assert case.run.status == "incomplete"
    assert cause_of(case) == Cause(Kind.WELL, "it was answered, and the answer was cut at its limit of tokens")


async def test_a_run_that_somebody_cancelled_ended_well() -> None:
    told: dict[str, Any] = orjson.loads(dumped(await case_of(RIGHT)))
    told["events"][-1] |= {"type": "run.cancelled", "data": {"by": "client"}}
    found = cause_of(loads(orjson.dumps(told)))
    assert (found.kind, found.outside, found.why) == (Kind.WELL, True, "somebody cancelled it")
