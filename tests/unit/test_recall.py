"""A run that goes on from another: what it takes over, what it leaves out, and when it cannot go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.effects import CallModel, Found, ModelAnswer, Recall, Recalled, Search
from agent.errors import Permanent, Transient
from agent.events import (
    AnswerDrafted,
    ConversationRecalled,
    DraftRejected,
    Event,
    PassagesFound,
    Problem,
    RequestReceived,
    RunFailed,
)
from agent.items import FunctionCall
from agent.outcome import TOO_LONG, Postpone, RetryPolicy
from agent.prompting import SHIPPED, PromptBook
from agent.request import Message, Request
from agent.run import Run
from agent.steps import Drafting, Generate, Repair, Retrieval, Retrieve
from agent.testing import Script

BOOK = PromptBook.load(SHIPPED)
CHAT = BOOK.current("chat")
DRAFTING = Drafting("chat", BOOK, ("large", "small"), max_output_tokens=1_000)
RECEIVED = RequestReceived(agent="chat")
ANSWER = ModelAnswer(text="Hi.", model="large", endpoint="e")
CALL = FunctionCall(call_id="call_1", name="look", arguments="{}")


def user(text: str) -> Message:
    return Message(role="user", content=text)


def said(text: str, *calls: FunctionCall) -> Message:
    return Message(role="assistant", content=text, tool_calls=calls)


def brought(call: str) -> Message:
    return Message(role="tool", content="found", tool_call_id=call)


def run_of(*events: Event, messages: Sequence[Message] = (user("and now?"),), **fields: Any) -> Run:
    request = Request.model_validate({"messages": messages, "previous_response_id": "resp_0", **fields})
    prompts = {"chat": CHAT.version}
    deadline = datetime(2027, 1, 1, tzinfo=UTC)
    return Run("resp_1", "default", "chat", request, deadline, prompts=prompts, events=(RECEIVED, *events))


def recalls(*messages: Message, gone: bool = False) -> Script:
    return Script({Recall: [Recalled(messages=messages, gone=gone)], CallModel: [ANSWER]})


def told(ask: Script) -> list[tuple[str, str]]:
    """What the last call was told after the system's message."""
    call = ask.asked[-1]
    assert isinstance(call, CallModel)
    return [(message.role, message.content) for message in call.messages[1:]]


async def test_a_reply_goes_on_from_earlier_turns_which_become_a_fact_of_the_run() -> None:
    ask = recalls(user("first"), said("one"))
    fact, drafted = await Generate(DRAFTING)(RECEIVED, run_of(), ask)
    assert fact == ConversationRecalled(previous="resp_0", messages=(user("first"), said("one")))
    assert isinstance(drafted, AnswerDrafted)
    assert ask.asked[0] == Recall(previous="resp_0")
    assert told(ask) == [("user", "first"), ("assistant", "one"), ("user", "and now?")]


async def test_what_was_recalled_is_not_asked_for_again() -> None:
    fact = ConversationRecalled(previous="resp_0", messages=(user("first"), said("one")))
    rejected = DraftRejected(problems=(Problem(check="c", message="m"),), repairs=0)
    draft = AnswerDrafted(draft="no", model="large", endpoint="e", prompt=CHAT.id)
    ask = Script({CallModel: [ANSWER]})
    (event,) = await Repair(DRAFTING, 2)(rejected, run_of(fact, draft, rejected), ask)
    assert isinstance(event, AnswerDrafted)
    assert event.repairs == 1
    assert told(ask)[:4] == [("user", "first"), ("assistant", "one"), ("user", "and now?"), ("assistant", "no")]
    found = PassagesFound(query="and now?", collection="laws", index_version=1, passages=())
    (event,) = await Generate(DRAFTING)(found, run_of(fact, found), Script({CallModel: [ANSWER]}))
    assert isinstance(event, AnswerDrafted)


async def test_instructions_are_not_inherited_and_developers_items_are() -> None:
    ask = recalls(Message(role="developer", content="Be brief."), user("first"), said("one"))
    await Generate(DRAFTING)(RECEIVED, run_of(instructions="Be kind."), ask)
    call = ask.asked[-1]
    assert isinstance(call, CallModel)
    assert "Be kind.\n\nBe brief." in call.messages[0].content


async def test_results_belong_to_the_calls_of_the_earlier_answer() -> None:
    ask = recalls(user("first"), said("", CALL))
    *_, drafted = await Generate(DRAFTING)(RECEIVED, run_of(messages=(brought("call_1"),)), ask)
    assert isinstance(drafted, AnswerDrafted)
    assert [role for role, _ in told(ask)] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("messages", [(brought("call_2"),), (user("never mind"),)])
async def test_a_missing_call_or_result_is_a_typed_failure(messages: Sequence[Message]) -> None:
    ask = recalls(user("first"), said("", CALL))
    *_, failed = await Generate(DRAFTING)(RECEIVED, run_of(messages=messages), ask)
    assert isinstance(failed, RunFailed)
    assert failed.code == "invalid_conversation"
    assert not [each for each in ask.asked if isinstance(each, CallModel)]


async def test_a_response_that_is_gone_and_a_conversation_without_end_are_typed_failures() -> None:
    (gone,) = await Generate(DRAFTING)(RECEIVED, run_of(), recalls(gone=True))
    assert isinstance(gone, RunFailed) and gone.code == "previous_response_not_found"
    *_, long = await Generate(DRAFTING)(RECEIVED, run_of(), recalls(*[user("x")] * 2_000))
    assert isinstance(long, RunFailed) and long.code == "conversation_too_long"


async def test_a_search_looks_for_the_newest_question_and_keeps_the_earlier_turns() -> None:
    ask = Script(
        {Recall: [Recalled(messages=(user("first"), said("one")))], Search: [Found(passages=(), index_version=1)]}
    )
    fact, found = await Retrieve(Retrieval("laws", 4))(RECEIVED, run_of(), ask)
    assert isinstance(fact, ConversationRecalled) and isinstance(found, PassagesFound)
    assert found.query == "and now?"
    (gone,) = await Retrieve(Retrieval("laws", 4))(RECEIVED, run_of(), Script({Recall: [Recalled(gone=True)]}))
    assert isinstance(gone, RunFailed)


def test_waiting_for_an_earlier_run_uses_up_no_attempt_and_is_over_soon() -> None:
    outcome = RetryPolicy().settle(1, Transient("not yet", kind="previous"), 0.5)
    assert isinstance(outcome, Postpone)
    assert (outcome.counted, 0.5 <= outcome.delay_s <= 1.0) == (False, True)


def test_the_longer_an_earlier_response_takes_the_less_often_it_is_looked_for() -> None:
    waits = [RetryPolicy().settle(1, Transient("not yet", kind="previous"), 0.0, begins) for begins in (1, 5, 500)]
    delays = [it.delay_s for it in waits if isinstance(it, Postpone)]
    assert delays == sorted(delays) and delays[0] == 0.5 and 1 < delays[1] < 2 and delays[2] == 10


# Longer than a model can take

TURNS = (user("1"), said("a"), user("2"), said("b"), user("3"), said("c"), user("4"))


def too_long() -> Permanent:
    return Permanent("too long", kind=TOO_LONG)


async def test_without_truncation_what_is_too_long_for_all_models_fails_and_leaves_no_letter() -> None:
    ask = Script({CallModel: [too_long(), Permanent("no key", kind="unauthorized")]})
    (failed,) = await Generate(DRAFTING)(RECEIVED, run_of(messages=TURNS, previous_response_id=None), ask)
    assert isinstance(failed, RunFailed)
    assert failed.code == "context_length_exceeded"
    assert len(ask.asked) == 2


async def test_with_truncation_older_turns_go_until_it_fits() -> None:
    drafting = Drafting("chat", BOOK, ("large",), max_output_tokens=1_000)
    ask = Script({CallModel: [too_long(), too_long(), ANSWER]})
    run = run_of(messages=TURNS, previous_response_id=None, truncation="auto")
    (drafted,) = await Generate(drafting)(RECEIVED, run, ask)
    assert isinstance(drafted, AnswerDrafted)
    assert told(ask) == [("user", "1"), ("assistant", "a"), ("user", "4")]


async def test_a_question_that_is_too_long_by_itself_fails_with_truncation_too() -> None:
    drafting = Drafting("chat", BOOK, ("large",), max_output_tokens=1_000)
    ask = Script({CallModel: [too_long() for _ in range(4)]})
    run = run_of(messages=TURNS, previous_response_id=None, truncation="auto")
    (failed,) = await Generate(drafting)(RECEIVED, run, ask)
    assert isinstance(failed, RunFailed) and failed.code == "context_length_exceeded"
    assert told(ask) == [("user", "4")]


async def test_a_model_that_may_answer_later_is_waited_for_before_anything_is_left_out() -> None:
    ask = Script({CallModel: [too_long(), Transient("busy", kind="server")]})
    run = run_of(messages=TURNS, previous_response_id=None, truncation="auto")
    with pytest.raises(Transient):
        await Generate(DRAFTING)(RECEIVED, run, ask)
