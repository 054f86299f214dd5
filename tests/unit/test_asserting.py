"""Assertions about stories fail where they have to, and say what happened instead."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest

from agent.adapters.model.book import ModelBook
from agent.adapters.model.offline import OfflineModel
from agent.agents import chat, documents
from agent.effects import CallModel
from agent.errors import Permanent
from agent.events import AnswerDrafted, RunFailed
from agent.request import Message
from agent.settings import Settings
from agent.testing import (
    Chain,
    LiveCall,
    Script,
    Story,
    Unscripted,
    assert_answered,
    assert_failed,
    assert_never_shown,
    assert_repaired,
    fault,
    forbid_live_calls,
    says,
)
from agent.testing.fake_model import Script as Lines
from agent.testing.fake_model import running
from agent.testing.faults import FAULTS
from tests.runs import QUESTION, RIGHT, WRONG, chain


async def story(*said: Any) -> Story:
    return await chain(*said).ask(QUESTION)


async def test_what_holds_passes_and_gives_the_ending_back() -> None:
    answered, repaired = await story(RIGHT), await story(WRONG, RIGHT)
    failed = await story(Permanent("no", kind="rejected"))
    assert assert_answered(answered, ["two", "years"], ["Lamp", "lamp.md", "d1", "a warranty"]) is answered.ending
    assert assert_repaired(repaired, because="quotes_are_found", times=1) is repaired.ending
    assert assert_failed(failed, "rejected") is failed.ending
    assert_never_shown(repaired, "nine lives")


WRONG_CLAIMS: list[tuple[list[Any], Callable[[Story], object], str]] = [
    ([Permanent("no", kind="rejected")], assert_answered, "there is no answer"),
    ([RIGHT], lambda it: assert_answered(it, "nine"), "the answer does not hold 'nine'"),
    ([RIGHT], lambda it: assert_answered(it, citing="Desk"), "does not cite 'Desk'"),
    ([RIGHT], lambda it: assert_answered(it, no_answer=True), "it is an answer"),
    ([RIGHT], assert_repaired, "no draft was rejected"),
    ([WRONG, RIGHT], lambda it: assert_repaired(it, because="is_short"), "not|but by quotes_are_found"),
    ([WRONG, RIGHT], lambda it: assert_repaired(it, times=2), "took 1 repairs, not 2"),
    ([RIGHT], assert_failed, "the run did not fail"),
    ([Permanent("no", kind="rejected")], lambda it: assert_failed(it, "transport"), "with 'rejected', not 'transport'"),
    ([RIGHT], lambda it: assert_never_shown(it, "two years"), "'two years' was shown"),
    ([RIGHT], lambda it: assert_never_shown(it, "zebra"), "no model wrote 'zebra'"),
]


@pytest.mark.parametrize(("said", "claim", "why"), WRONG_CLAIMS, ids=[why for _, _, why in WRONG_CLAIMS])
async def test_what_does_not_hold_fails_and_tells_what_happened(
    said: list[Any], claim: Callable[[Story], object], why: str
) -> None:
    told = await story(*said)
    with pytest.raises(AssertionError, match=why) as raised:
        claim(told)
    assert "what happened:\n  request.received: agent documents\n" in str(raised.value)


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_has_its_way_through_a_chain(name: str) -> None:
    told = await chain(*[fault(name, **({"retry_after_s": 30} if name == "rate_limited" else {}))] * 20).ask(QUESTION)
    assert told.view.calls > 0
    assert told.ending.type in ("run.failed", "answer.accepted")


def test_what_was_shown_is_found_however_json_writes_it() -> None:
    draft = 'He said "nine\nlives"'
    drafted = AnswerDrafted(draft=draft, model="m", endpoint="e", prompt="p@1")
    failed = RunFailed(code="no_valid_answer", message=f"The draft was: {draft}")
    with pytest.raises(AssertionError, match="was shown"):
        assert_never_shown(Story(failed, (drafted, failed), cast(Any, None)), draft)


def test_a_fault_or_a_question_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault 'earthquake'; there is transport"):
        fault("earthquake")
    with pytest.raises(ValueError, match="no question is called 'dream'"):
        Script({"dream": []})


async def test_faults_that_nobody_met_are_left() -> None:
    assert Script(says("Noon."), faults=["transport", "server"]).left() == {"faults": 2, "call_model": 1}


async def test_a_chain_is_built_by_one_import() -> None:
    assert_answered(await Chain.of(chat, Script(says("Noon."), faults=["rate_limited"])).ask("When?"), "Noon.")
    with pytest.raises(Unscripted):
        await Chain.of(chat, Script()).ask("When?")


async def test_no_library_calls_out_where_nothing_may() -> None:
    with forbid_live_calls():
        async with httpx.AsyncClient() as client:
            with pytest.raises(LiveCall, match=re.escape("calls 192.0.2.1")):
                await client.get("http://192.0.2.1/")
        with httpx.Client() as client, pytest.raises(LiveCall):
            client.get("http://192.0.2.1/")


async def test_a_name_of_another_machine_is_not_looked_up_whether_there_is_a_network_or_not() -> None:
    with forbid_live_calls():
        with pytest.raises(LiveCall, match=re.escape("looks up models.example")):
            socket.create_connection(("models.example", 443), timeout=5)
        with pytest.raises(LiveCall, match=re.escape("looks up models.example")):
            await asyncio.open_connection("models.example", 443)
        for here in ("localhost", b"127.0.0.1", None, socket.gethostname()):
            assert socket.getaddrinfo(here, 80)


@pytest.mark.parametrize("early", ["import openai", ""])
def test_a_client_of_models_calls_none_here_however_late_it_is_imported(early: str) -> None:
    code = f"""
{early}
from agent.testing import LiveCall, forbid_live_calls
with forbid_live_calls():
    import openai
    try:
        openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0).models.list()
    except LiveCall as error:
        print(error)
from openai._base_client import SyncAPIClient
assert SyncAPIClient.request.__module__ == "openai._base_client"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "calls a model" in done.stdout and done.returncode == 0, done.stderr


async def test_a_model_is_not_called_on_this_machine_either() -> None:
    asked = (Message(role="user", content="When?"),)
    effect = CallModel(model="m", prompt="p@1", messages=asked, max_output_tokens=9)
    async with running(Lines.of([{"answer": "Noon."}])) as model:
        settings = Settings(model_base_url=model.base_url, models="m")
        book = ModelBook(settings.endpoints(), OfflineModel())
        with forbid_live_calls(), pytest.raises(LiveCall, match="a model"):
            await book.call(effect, timeout_s=5.0, headers={})
        assert (await book.call(effect, timeout_s=5.0, headers={})).text == "Noon."
        await book.close()


async def test_a_hole_in_a_script_is_told_in_one_sentence_without_what_was_asked_and_who_asked_it() -> None:
    with pytest.raises(Unscripted) as lacking:
        await Chain.of(documents, Script(says("Noon."))).ask("How long is the warranty?")
    assert str(lacking.value) == "the script has no line for 'search'; it has lines for call_model"
    with pytest.raises(Unscripted) as used_up:
        await Chain.of(chat, Script({CallModel: []})).ask("When?")
    assert str(used_up.value) == "the script has no line left for 'call_model', ask 1"
    for found in (lacking, used_up):
        shown = "".join(traceback.format_exception(found.value))
        assert "perform.py" not in shown and "decide.py" not in shown and "During handling" not in shown
