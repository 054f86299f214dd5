"""Chat Completions as OpenAI's own client speaks them, sync and async, with the whole chain behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from agent.testing.fake_model import Script
from tests import spec
from tests.e2e.house import MADE_UP, QUESTION, QUOTE, RIGHT, WRONG, House, Open

ASKED: list[Any] = [{"role": "user", "content": "Does it rain in Oslo?"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
CALLED = {"tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]}
RAIN = "Yes, it rains."
PATH = "/v1/chat/completions"


class Lamp(BaseModel):
    name: str
    watts: int


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def client_of(http: httpx.AsyncClient) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="none", base_url=f"{http.base_url}/v1", max_retries=0)


@asynccontextmanager
async def at_work(house: Open, *lines: Any, **changes: Any) -> AsyncIterator[tuple[House, httpx.AsyncClient, Any]]:
    async with house(*lines, **changes) as it, it.worker(), it.door() as http, client_of(http) as client:
        yield it, http, client


async def say(it: House, *lines: dict[str, Any]) -> None:
    await it.model.play(Script.of(list(lines)))
    await it.model.clear()


async def test_the_async_client_converses_calls_functions_and_parses(house: Open) -> None:
    async with at_work(house, {"answer": RAIN}) as (it, http, client):
        answer = await client.chat.completions.create(model="chat", messages=ASKED)
        assert (answer.object, answer.model, answer.id[:9]) == ("chat.completion", "chat", "chatcmpl-")
        (choice,) = answer.choices
        assert (choice.message.content, choice.finish_reason) == (RAIN, "stop")
        used = answer.usage
        assert used.prompt_tokens + used.completion_tokens == used.total_tokens > 0
        assert answer._request_id
        hidden = await http.get(f"/v1/responses/resp_{answer.id.removeprefix('chatcmpl-')}")
        assert hidden.status_code == 404  # as with OpenAI, it is stored only where that is asked for

        kept = await client.chat.completions.create(model="chat", messages=ASKED, store=True, metadata={"a": "b"})
        read = await client.responses.retrieve(f"resp_{kept.id.removeprefix('chatcmpl-')}")
        assert (read.output_text, read.metadata["a"]) == (RAIN, "b")

        await _stream(client)
        await _functions(it, client)
        await _forms(it, client)


async def _stream(client: Any) -> None:
    options = {"include_usage": True}
    stream = await client.chat.completions.create(model="chat", messages=ASKED, stream=True, stream_options=options)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == RAIN
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens > 0) == ([], True)
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    raw = await client.chat.completions.with_raw_response.create(model="chat", messages=ASKED, stream=True)
    assert raw.headers["content-type"].startswith("text/event-stream")
    plain = [chunk async for chunk in raw.parse()]
    assert [chunk.usage for chunk in plain] == [None] * len(plain)


async def _functions(it: House, client: Any) -> None:
    await say(it, {"times": 2, **CALLED}, {"answer": RAIN})
    asked: dict[str, Any] = {"model": "chat", "tools": [WEATHER], "tool_choice": "required"}
    first = await client.chat.completions.create(messages=ASKED, **asked)
    message = first.choices[0].message
    assert (first.choices[0].finish_reason, message.content) == ("tool_calls", None)
    (call,) = message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", '{"city":"Oslo"}')

    async with client.chat.completions.stream(messages=ASKED, **asked) as helper:
        final = await helper.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"city":"Oslo"}'
    assert final.choices[0].finish_reason == "tool_calls"

    brought = {"role": "tool", "tool_call_id": call.id, "content": "rain all day"}
    second = await client.chat.completions.create(
        model="chat", tools=[WEATHER], messages=[{"role": "system", "content": "Be brief."}, *ASKED, message, brought]
    )
    assert second.choices[0].message.content == RAIN
    told = (await it.model.log())[-1]["body"]["messages"]
    assert "Be brief." in told[0]["content"]
    assert told[-2]["tool_calls"][0]["function"]["name"] == "weather"
    assert "rain all day" in told[-1]["content"]


async def _forms(it: House, client: Any) -> None:
    wrong, right = {"name": "lamp", "watts": "many"}, {"name": "lamp", "watts": 7}
    for sent in ("whole", "in chunks"):
        await say(it, {"times": 1, "answer": wrong}, {"answer": right})
        asked: dict[str, Any] = {"model": "chat", "messages": ASKED, "response_format": Lamp}
        if sent == "whole":
            answer = await client.chat.completions.parse(**asked)
        else:
            async with client.chat.completions.stream(**asked) as helper:
                answer = await helper.get_final_completion()
        assert answer.choices[0].message.parsed == Lamp(name="lamp", watts=7)
        assert it.never_sent(b"many")
    await say(it, {"answer": RAIN, "finish_reason": "length"})
    cut = await client.chat.completions.create(model="chat", messages=ASKED, max_tokens=3)
    assert (cut.choices[0].finish_reason, cut.choices[0].message.content) == ("length", RAIN)
    assert (await it.model.log())[0]["body"]["max_tokens"] == 3
    with pytest.raises(openai.LengthFinishReasonError):
        await client.chat.completions.parse(model="chat", messages=ASKED, response_format=Lamp)


async def test_the_sync_client_gets_cited_answers_and_no_byte_of_a_rejected_draft(house: Open) -> None:
    async with at_work(house, {"times": 1, "answer": WRONG}, {"answer": RIGHT}) as (it, http, _):
        await asyncio.to_thread(_synchronously, f"{http.base_url}/v1")
        reply = await http.post(PATH, json={"model": "documents", "messages": _question(), "stream": True})
        chunks = spec.check_chunks(reply.content)
        (notes,) = [c["choices"][0]["delta"]["annotations"] for c in chunks if "annotations" in str(c)]
        assert notes[0]["url_citation"]["title"]
        for word in MADE_UP.split():
            assert it.never_sent(word)


def _question() -> list[Any]:
    return [{"role": "user", "content": [{"type": "text", "text": QUESTION["input"]}]}]


def _synchronously(base_url: str) -> None:
    with openai.OpenAI(api_key="none", base_url=base_url, max_retries=0) as client:
        answer = client.chat.completions.create(model="documents", messages=_question())
        message: Any = answer.choices[0].message
        (note,) = message.annotations
        cited = note.url_citation
        assert QUOTE in message.content[cited.start_index : cited.end_index]
        stream = client.chat.completions.create(model="documents", messages=_question(), stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == RIGHT["answer"]
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="gpt-9", messages=_question(), stream=True)
        assert caught.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="documents", messages=_question(), tools=[WEATHER])
        more: dict[str, Any] = {"response_format": {"type": "json_object"}, "logprobs": True}
        for field, value in more.items():
            with pytest.raises(openai.BadRequestError) as by_name:
                client.chat.completions.create(model="documents", messages=_question(), **{field: value})
            assert by_name.value.param == field
        assert (refused.value.param, "'chat' and 'twice' can" in refused.value.message) == ("tools", True)


async def test_the_same_key_and_the_same_retry_mean_the_same_run(house: Open) -> None:
    async with at_work(house, {"answer": RAIN}) as (it, http, _):
        key = {"Idempotency-Key": "order-17"}
        asked = {"model": "chat", "messages": ASKED}
        one = await http.post(PATH, json=asked, headers=key)
        two = await http.post(PATH, json=asked, headers=key)
        assert one.json() == two.json()
        other = await http.post(PATH, json=asked | {"temperature": 1}, headers=key)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
        assert await it.pool.fetchval("select count(*) from runs") == 1


async def test_a_slow_answer_is_kept_alive_and_a_slow_failure_is_told_to_the_retry(house: Open) -> None:
    slow = {"contains": "Slowly", "delay_ms": 300, "answer": RAIN}
    broken = {"delay_ms": 300, "fault": {"kind": "bad_request"}}
    asked: dict[str, Any] = {"model": "chat", "messages": ASKED}
    slowly: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "Slowly?"}]}
    async with at_work(house, slow, broken, keep_alive_s=0.05) as (it, http, client):
        assert (await client.chat.completions.create(**slowly)).choices[0].message.content == RAIN
        whole = await http.post(PATH, json=slowly | {"stream": True})
        assert whole.content.startswith(b": ping\n\n")
        assert spec.check_chunks(whole.content)

        with pytest.raises(openai.APIError, match="refused the request") as caught:
            async for _ in await client.chat.completions.create(**asked, stream=True):
                raise AssertionError("there is nothing to be told")
        assert caught.value.code == "rejected"

        before = await it.pool.fetchval("select count(*) from runs")
        with pytest.raises(openai.APIConnectionError):
            await client.chat.completions.create(**asked)
        with pytest.raises(openai.InternalServerError) as failed:
            await client.with_options(max_retries=1).chat.completions.create(**asked | {"temperature": 1})
        assert failed.value.code == "rejected"
        assert await it.pool.fetchval("select count(*) from runs") == before + 2
