"""Streams as OpenAI's own client reads them, sync and async, with the whole chain behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import ResponseStreamEvent

from tests import spec
from tests.e2e.house import MADE_UP, QUESTION, RIGHT, WRONG, House, Open, until

ASK: dict[str, Any] = {"model": "documents", "input": QUESTION["input"]}
STREAM = QUESTION | {"stream": True, "include": ["cuelight.progress"]}
RIGHT_TEXT = str(RIGHT["answer"])
READS = 48
AT_ONCE = 12


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@asynccontextmanager
async def client_of(http: httpx.AsyncClient) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="none", base_url=f"{http.base_url}/v1", max_retries=0) as client:
        yield client


def kinds(events: list[Any]) -> list[str]:
    return [event.type for event in events]


def text_of(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def test_the_async_client_streams_resumes_polls_and_cancels(house: Open) -> None:
    script = {"answer": RIGHT}, {"contains": "Slowly", "answer": RIGHT, "delay_ms": 60_000}
    async with house(*reversed(script)) as it, it.worker(), it.door() as http, client_of(http) as client:
        stream = await client.responses.create(**ASK, stream=True)
        events: list[Any] = [event async for event in stream]
        assert (kinds(events)[0], kinds(events)[-1]) == ("response.created", "response.completed")
        assert text_of(events) == events[-1].response.output_text == RIGHT_TEXT
        run = events[0].response.id

        again = await client.responses.retrieve(run, stream=True, starting_after=3, include_obfuscation=False)
        assert [event async for event in again] == events[4:]
        assert await client.responses.retrieve(run) == events[-1].response

        async with client.responses.stream(**ASK) as helper:
            seen = [event async for event in helper]
            final = await helper.get_final_response()
        assert text_of(seen) == final.output_text == RIGHT_TEXT
        async with client.responses.stream(response_id=run, starting_after=4) as helper:
            assert (await helper.get_final_response()).id == run

        raw = await client.responses.with_raw_response.create(**ASK, stream=True)
        assert raw.headers["content-type"] == "text/event-stream"
        assert raw.headers["x-request-id"]
        parsed: list[Any] = [event async for event in raw.parse()]
        assert text_of(parsed) == RIGHT_TEXT
        async with client.responses.with_streaming_response.create(**ASK, stream=True) as live:
            lines = [line async for line in live.iter_lines()]
        assert "data: [DONE]" in lines

        await polled(client)
        await cancelled(client)


async def polled(client: openai.AsyncOpenAI) -> None:
    answer = await client.responses.create(**ASK, background=True)
    assert (answer.status, answer.output) == ("queued", [])

    async def ended() -> Any:
        read = await client.responses.retrieve(answer.id)
        return read if read.status not in ("queued", "in_progress") else None

    assert (await until(ended)).output_text == RIGHT_TEXT
    stream = await client.responses.create(**ASK, background=True, stream=True)
    seen: list[ResponseStreamEvent] = []
    async for event in stream:  # and the connection breaks after the first few
        seen.append(event)
        if event.sequence_number == 1:
            break
    await stream.close()
    assert seen[0].type == "response.created"
    rest = await client.responses.retrieve(seen[0].response.id, stream=True, starting_after=1)
    seen += [event async for event in rest]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert kinds(seen)[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert text_of(seen) == RIGHT_TEXT


async def cancelled(client: openai.AsyncOpenAI) -> None:
    slowly = ASK | {"input": f"Slowly: {ASK['input']}"}
    async with client.responses.stream(**slowly, background=True) as helper:
        seen: list[Any] = []
        async for event in helper:
            seen.append(event)
            if event.type == "response.in_progress":
                assert (await client.responses.cancel(event.response.id)).status == "cancelled"
        with pytest.raises(RuntimeError, match=r"response\.completed"):
            await helper.get_final_response()
    assert kinds(seen)[-1] == "response.failed"
    assert (seen[-1].response.status, seen[-1].response.error) == ("cancelled", None)


async def test_the_sync_client_streams_resumes_and_reads_raw_responses(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.worker(), it.door() as http:
        await asyncio.to_thread(_synchronously, f"{http.base_url}/v1")


def _synchronously(base_url: str) -> None:
    with openai.OpenAI(api_key="none", base_url=base_url, max_retries=0) as client:
        mine: Any = ["cuelight.progress"]
        events: list[Any] = list(client.responses.create(**ASK, stream=True, include=mine))
        assert {"cuelight:step", "cuelight:attempt", "cuelight:verdict"} < set(kinds(events))
        assert text_of(events) == RIGHT_TEXT
        run = events[0].response.id
        for after in (0, 4, len(events) - 1):
            assert list(client.responses.retrieve(run, stream=True, starting_after=after)) == events[after + 1 :]
        with client.responses.stream(**ASK) as helper:
            assert helper.get_final_response().output_text == RIGHT_TEXT
        raw = client.responses.with_raw_response.create(**ASK, stream=True)
        assert text_of(list(raw.parse())) == RIGHT_TEXT
        with client.responses.with_streaming_response.create(**ASK, stream=True) as live:
            assert text_of(list(live.parse())) == RIGHT_TEXT
        assert client.responses.create(**ASK, background=True).status == "queued"
        with pytest.raises(openai.NotFoundError) as caught:
            client.responses.create(**ASK | {"model": "gpt-9"}, stream=True)
        assert caught.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(**ASK, background=True, store=False)
        assert refused.value.param == "background"


async def test_no_byte_of_a_rejected_draft_is_in_any_stream_and_all_replicas_tell_the_same(house: Open) -> None:
    script = {"answer": WRONG, "times": 1}, {"answer": RIGHT}
    async with house(*script) as it, it.worker(), it.door() as one, it.door() as two:
        streams = [await one.post("/v1/responses", json=STREAM)]
        told = spec.check_stream(streams[0].content)
        run = told[0]["response"]["id"]
        streams += [await door.get(f"/v1/responses/{run}?stream=true") for door in (one, two)]
        assert len({stream.content for stream in streams}) == 1
        verdicts = [event["verdict"] for event in told if event["type"] == "cuelight:verdict"]
        assert verdicts == ["rejected", "accepted"]
        drafts = await it.pool.fetch("select data from events where type = 'answer.drafted' order by seq")
        assert MADE_UP in drafts[0]["data"]
        for word in MADE_UP.split():
            assert it.never_sent(word)
        assert RIGHT_TEXT in "".join(event.get("delta", "") for event in told)


async def test_whoever_has_the_terminal_event_reads_the_ended_response_everywhere(house: Open) -> None:
    async with house({"answer": RIGHT}) as it, it.worker(slots=32), it.door() as one, it.door() as two:
        left = iter(range(READS))
        await asyncio.gather(*(_lane(str(one.base_url), str(two.base_url), left) for _ in range(AT_ONCE)))


async def _lane(here: str, there: str, left: Any) -> None:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        for _ in left:
            async with http.stream("POST", f"{here}/v1/responses", json=STREAM) as reply:
                last = [line async for line in reply.aiter_lines() if line.startswith("data: {")][-1]
            ended = httpx.Response(200, text=last.removeprefix("data: ")).json()
            assert ended["type"] == "response.completed"
            for door in (there, here):
                read = await http.get(f"{door}/v1/responses/{ended['response']['id']}")
                assert read.json() == ended["response"]


async def test_what_was_streamed_is_what_was_stored(house: Open) -> None:
    """Persist, then publish: at each event that arrives, the ledger holds what it tells."""
    async with house({"answer": RIGHT}) as it, it.worker(), it.door() as http:
        url = f"{http.base_url}/v1/responses"
        async with (
            httpx.AsyncClient(timeout=60, trust_env=False) as client,
            client.stream("POST", url, json=STREAM) as reply,
        ):
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    await _is_on_record(it, httpx.Response(200, text=line.removeprefix("data: ")).json())


async def _is_on_record(it: House, event: dict[str, Any]) -> None:
    run = await it.pool.fetchrow("select * from runs")
    assert run is not None
    if event["type"].startswith("cuelight:"):
        assert event["event"] in await it.story(run["id"])
    elif event["type"] not in ("response.created", "response.in_progress"):
        assert run["status"] == "completed"
