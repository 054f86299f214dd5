"""The promises of `agent.recalling`: what a run takes over from the one before it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.effects import Recall
from agent.envelope import seal
from agent.errors import Transient
from agent.events import AnswerAccepted, ConversationRecalled, Ending, Event, RunCancelled, RunFailed
from agent.items import FunctionCall
from agent.outcome import Advance
from agent.recalling import Recollection
from agent.request import Message, Request
from tests.contract.backends import Store
from tests.contract.toys import begun, new_run, opened

CALL = FunctionCall(call_id="call_1", name="look", arguments="{}")
BEFORE = (Message(role="user", content="hello"), Message(role="assistant", content="", tool_calls=(CALL,)))


def said(text: str) -> Message:
    return Message(role="user", content=text)


async def ended(store: Store, name: str, events: Sequence[Event], project: str = "default") -> None:
    """A run that asked for its own name and ended with the last of `events`."""
    request = Request(messages=(said(name),)).model_dump_json()
    at = await begun(store, await opened(store, new_run(name, request=request, project=project)))
    *_, last = events
    assert isinstance(last, Ending)
    assert await store.ledger.commit(at, Advance(tuple(map(seal, events)), None, last.status))


async def recalled(store: Store, name: str, project: str = "default") -> tuple[Message, ...] | None:
    found = await Recollection(store.conversations)(Recall(previous=name), project)
    return None if found.gone else found.messages


async def test_a_conversation_is_what_was_before_then_input_then_output(store: Store) -> None:
    fact = ConversationRecalled(previous="resp_0", messages=BEFORE)
    await ended(store, "resp_1", [fact, AnswerAccepted(text="fine", calls=(CALL,))])
    answer = Message(role="assistant", content="fine", tool_calls=(CALL,))
    assert await recalled(store, "resp_1") == (*BEFORE, said("resp_1"), answer)


@pytest.mark.parametrize("ending", [RunFailed(code="server", message="no"), RunCancelled(by="client")])
async def test_a_run_without_an_answer_passes_on_what_it_was_asked(store: Store, ending: Ending) -> None:
    await ended(store, "resp_1", [ending])
    assert await recalled(store, "resp_1") == (said("resp_1"),)


async def test_an_open_run_is_waited_for(store: Store) -> None:
    await opened(store, new_run("resp_1"))
    with pytest.raises(Transient) as caught:
        await recalled(store, "resp_1")
    assert caught.value.kind == "previous"


async def test_what_is_not_there_or_another_projects_or_deleted_is_gone(store: Store) -> None:
    await ended(store, "resp_1", [AnswerAccepted(text="fine")])
    await store.project("theirs")
    assert await recalled(store, "resp_2") is None
    assert await recalled(store, "resp_1", "theirs") is None
    assert await recalled(store, "resp_1") is not None
    await store.privacy.forget("resp_1", "default")
    assert await recalled(store, "resp_1") is None
