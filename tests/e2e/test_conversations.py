"""Conversations that go on from a stored response: in order, in branches, and while the earlier one is on its way."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.e2e.house import House, Open

LOOK: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
LINES: list[Any] = [
    {"contains": "hello", "answer": "Hello, Ada."},
    {"contains": "tell me", "answer": "You are {{n}}."},
    {
        "contains": "look it up",
        "times": 1,
        "tool_calls": [{"id": "call_1", "function": {"name": "look", "arguments": {}}}],
    },
    {"contains": "slow", "delay_ms": 700, "answer": "At last."},
    {"contains": "broken", "fault": "refusal"},
    {"answer": "Fine."},
]


def client(base_url: object) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="none", base_url=f"{str(base_url).rstrip('/')}/v1", max_retries=0)


async def told(it: House) -> list[tuple[str, str]]:
    """What the newest call was told after the system's message."""
    messages = (await it.model.log())[-1]["body"]["messages"]
    return [(message["role"], message["content"] or "") for message in messages[1:]]


async def test_a_conversation_goes_on_from_any_stored_response(house: Open) -> None:
    async with house(*LINES) as it, it.worker(), it.door() as http, client(http.base_url) as ai:
        first = await ai.responses.create(model="chat", input="hello", instructions="Be kind.")
        second = await ai.responses.create(model="chat", input="tell me", previous_response_id=first.id)
        assert second.previous_response_id == first.id
        assert await told(it) == [("user", "hello"), ("assistant", "Hello, Ada."), ("user", "tell me")]
        assert "Be kind." not in (await it.model.log())[-1]["body"]["messages"][0]["content"]

        third = await ai.responses.create(model="chat", input="go on", previous_response_id=second.id)
        assert [text for _, text in await told(it)] == ["hello", "Hello, Ada.", "tell me", "You are 2.", "go on"]
        await ai.responses.create(model="chat", input="a branch", previous_response_id=first.id)
        assert [text for _, text in await told(it)] == ["hello", "Hello, Ada.", "a branch"]
        own = [item async for item in ai.responses.input_items.list(third.id)]
        assert len(own) == 1, "the input of a response is its own"
        assert await it.story(third.id) == [
            *("request.received", "conversation.recalled", "answer.drafted", "answer.accepted")
        ]

        await ai.responses.delete(second.id)
        await ai.responses.create(model="chat", input="still", previous_response_id=third.id)
        assert [text for _, text in await told(it)][:4] == ["hello", "Hello, Ada.", "tell me", "You are 2."]
        with pytest.raises(openai.BadRequestError) as gone:
            await ai.responses.create(model="chat", input="again", previous_response_id=second.id)
        assert (gone.value.code, gone.value.param) == ("previous_response_not_found", "previous_response_id")


async def test_calls_of_the_earlier_answer_want_their_results(house: Open) -> None:
    async with house(*LINES) as it, it.worker(), it.door() as http, client(http.base_url) as ai:
        asked = await ai.responses.create(model="chat", input="look it up", tools=[LOOK])
        (call,) = asked.output
        assert call.type == "function_call"
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "found"}
        answer = await ai.responses.create(model="chat", input=[result], previous_response_id=asked.id, tools=[LOOK])
        assert answer.output_text == "Fine."
        assert [role for role, _ in await told(it)] == ["user", "assistant", "tool"]
        wrong: Any = {**result, "call_id": "call_9"}
        with pytest.raises(openai.BadRequestError) as unknown:
            await ai.responses.create(model="chat", input=[result, wrong], previous_response_id=asked.id)
        assert "No tool call found for function call output with call_id call_9." in str(unknown.value)
        assert unknown.value.param == "input[1]"
        with pytest.raises(openai.BadRequestError, match=r"No tool output found for function call call_1\."):
            await ai.responses.create(model="chat", input="never mind", previous_response_id=asked.id)
        with pytest.raises(openai.BadRequestError, match="call_1"):
            await ai.responses.create(model="chat", input=[result], previous_response_id=answer.id)


async def test_a_turn_waits_for_the_one_before_and_one_without_an_answer_passes_on_its_question(house: Open) -> None:
    async with house(*LINES) as it, it.worker(), it.door() as http, client(http.base_url) as ai:
        slow = await ai.responses.create(model="chat", input="slow", background=True)
        assert slow.status in ("queued", "in_progress")
        after = await ai.responses.create(model="chat", input="go on", previous_response_id=slow.id)
        assert (after.status, after.output_text) == ("completed", "Fine.")
        assert [text for _, text in await told(it)] == ["slow", "At last.", "go on"]
        assert {row["outcome"] for row in await it.attempts(after.id)} == {"park", "advance"}
        assert [row["attempt"] for row in await it.attempts(after.id) if row["outcome"] == "park"] == [1] * (
            len(await it.attempts(after.id)) - 2
        )

        broken = await ai.responses.create(model="chat", input="broken")
        assert broken.status == "failed"
        await ai.responses.create(model="chat", input="and now", previous_response_id=broken.id)
        assert await told(it) == [("user", "broken"), ("user", "and now")]

        waiting = await ai.responses.create(model="chat", input="slow", background=True)
        early = await ai.responses.create(
            model="chat",
            input=[{"type": "function_call_output", "call_id": "call_9", "output": "found"}],
            previous_response_id=waiting.id,
        )
        assert early.metadata is not None
        assert (early.status, early.metadata["cuelight.error_code"]) == ("failed", "invalid_conversation")
        assert await it.dead_letters() == []


async def test_what_is_not_stored_or_nowhere_cannot_be_gone_on_from(house: Open) -> None:
    async with house(*LINES) as it, it.worker(), it.door() as http, client(http.base_url) as ai:
        unstored = await ai.responses.create(model="chat", input="hello", store=False)
        for previous in (unstored.id, "resp_0", "nothing"):
            with pytest.raises(openai.BadRequestError) as caught:
                await ai.responses.create(model="chat", input="go on", previous_response_id=previous)
            assert caught.value.code == "previous_response_not_found"
            assert previous in str(caught.value)


async def test_what_is_too_long_for_the_model_fails_or_is_shortened_as_was_asked(house: Open) -> None:
    turns: list[Any] = [{"role": ("user", "assistant")[n % 2], "content": f"{n} " + "x" * 400} for n in range(9)]
    lines: list[Any] = [{"answer": "Fine.", "fault": {"kind": "context_length", "chars": 2_500}}]
    async with house(*lines, models="m1") as it, it.worker(), it.door() as http, client(http.base_url) as ai:
        failed = await ai.responses.create(model="chat", input=turns)
        assert failed.error is not None and failed.metadata is not None
        assert (failed.status, failed.error.code) == ("failed", "invalid_prompt")
        assert failed.metadata["cuelight.error_code"] == "context_length_exceeded"
        assert failed.metadata["cuelight.cost_usd"] == "0"
        short = await ai.responses.create(model="chat", input=turns, truncation="auto")
        assert (short.status, short.truncation) == ("completed", "auto")
        assert [text.split()[0] for _, text in await told(it)] == ["0", "1", "6", "7", "8"]
        assert await it.dead_letters() == []
