"""The events: what they say of themselves to the outside, and the statuses of endings."""

from __future__ import annotations

import pytest

from agent.events import (
    CATALOGUE,
    AnswerAccepted,
    AnswerDrafted,
    ApprovalDecided,
    ApprovalRequested,
    CalledTool,
    Citation,
    ConversationRecalled,
    DraftRejected,
    Ending,
    Event,
    ModelsPassedOver,
    Passage,
    PassagesFound,
    Problem,
    RequestReceived,
    RunCancelled,
    RunFailed,
    ToolsAnswered,
    ToolsRequested,
    VerdictGiven,
)
from agent.items import FunctionCall, Message

SECRET = "marmalade"
PASSAGE = Passage(id="psg_1", label="p1", document_id="d", title=SECRET, source=SECRET, text=SECRET)
CITATION = Citation(
    answer_start=0,
    answer_end=1,
    passage_id="psg_1",
    document_id="d",
    title=SECRET,
    source=SECRET,
    passage_start=0,
    passage_end=1,
    quote=SECRET,
)
EVENTS: list[Event] = [
    RequestReceived(agent="documents"),
    PassagesFound(query=SECRET, collection="default", index_version=2, passages=(PASSAGE,)),
    AnswerDrafted(draft=SECRET, model="m", endpoint="e", prompt="answer@1"),
    DraftRejected(problems=(Problem(check="quotes", message=SECRET), Problem(check="quotes", message="")), repairs=1),
    ModelsPassedOver(models=("large",), repairs=2),
    VerdictGiven(check="quotes", passed=False, repairs=1, problems=(SECRET,)),
    ToolsRequested(calls=(FunctionCall(call_id=SECRET, name="look_up", arguments=SECRET),), round=1),
    ApprovalRequested(calls=(FunctionCall(call_id=SECRET, name="pay", arguments=SECRET),), round=1, wait_s=9),
    ApprovalDecided(approved=(SECRET,), denied=(), by=SECRET, reason=SECRET, round=1),
    ToolsAnswered(results=(CalledTool(call_id=SECRET, name="look_up", text=SECRET),), round=1),
    AnswerAccepted(text=SECRET, citations=(CITATION,)),
    RunFailed(code="server", message=SECRET),
    RunCancelled(by="client"),
    ConversationRecalled(previous="resp_0", messages=(Message(role="user", content=SECRET),)),
]


def test_the_examples_here_are_the_whole_catalogue() -> None:
    assert {type(event) for event in EVENTS} == set(CATALOGUE)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_what_the_feed_may_carry_holds_no_text(event: Event) -> None:
    told = event.public()
    assert told, "it tells something"
    assert not [value for value in told.values() if SECRET in value]


def test_a_rejection_tells_which_checks_and_how_many_problems() -> None:
    assert EVENTS[3].public() == {"checks": "quotes", "problems": "2", "repairs": "1"}


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (AnswerAccepted(text="x"), "completed"),
        (AnswerAccepted(text="x", incomplete="max_output_tokens"), "incomplete"),
        (RunFailed(code="c", message="m"), "failed"),
    ],
)
def test_an_ending_has_the_status_that_the_client_sees(ending: Ending, status: str) -> None:
    assert ending.status == status
    assert ending.public()["status"] == status


def test_history_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        EVENTS[0].agent = "other"  # type: ignore[attr-defined]
