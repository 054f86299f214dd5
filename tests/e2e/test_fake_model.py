"""The fake model over real HTTP: what it answers, what it matches, what it remembers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, InternalServerError

from agent.errors import Misconfigured
from agent.testing.fake_model import FakeModel, Script, as_process, running
from agent.testing.fake_model.wire import MAX_BODY_BYTES

ASKED: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "When does the show begin?"}]


def client_of(fake: FakeModel) -> AsyncOpenAI:
    http = DefaultAsyncHttpxClient(trust_env=False)
    return AsyncOpenAI(base_url=fake.base_url, api_key="sk-secret", max_retries=0, timeout=30, http_client=http)


@asynccontextmanager
async def scene(*lines: Any) -> AsyncIterator[tuple[FakeModel, AsyncOpenAI]]:
    async with running(Script.of(lines)) as fake, client_of(fake) as client:
        yield fake, client


async def ask(client: AsyncOpenAI, *, run: str = "", prompt: str = "", **options: Any) -> Any:
    headers = {name: value for name, value in (("x-cuelight-run", run), ("x-cuelight-prompt", prompt)) if value}
    options = {"model": "fake-model", "messages": ASKED} | options
    return await client.chat.completions.create(extra_headers=headers, **options)


async def text(client: AsyncOpenAI, **options: Any) -> str:
    return str((await ask(client, **options)).choices[0].message.content)


async def test_a_scripted_text_is_answered_with_usage_from_its_length() -> None:
    async with scene({"answer": "At eight."}) as (_, client):
        found = await ask(client)
    assert found.choices[0].message.content == "At eight."
    assert found.choices[0].finish_reason == "stop"
    assert (found.model, found.usage.prompt_tokens, found.usage.completion_tokens) == ("fake-model", 9, 3)
    assert found._request_id == "req_fake1"


async def test_an_object_is_answered_as_its_json_text_with_the_question_safely_inside() -> None:
    asked: Any = [{"role": "user", "content": 'He said "{{n}}"\n'}]
    async with scene({"answer": {"answer": "{{question}} is call {{ n }}", "no_answer": False}}) as (_, client):
        found = json.loads(await text(client, messages=asked))
    assert found == {"answer": 'He said "{{n}}"\n is call 1', "no_answer": False}


async def test_the_question_is_the_last_user_message_also_in_parts() -> None:
    parts = [{"type": "text", "text": "To be"}, {"type": "text", "text": " or not?"}]
    asked: Any = [*ASKED, {"role": "user", "content": parts}, {"role": "assistant", "content": "Hm."}]
    async with scene({"answer": "{{question}}"}) as (_, client):
        assert await text(client, messages=asked) == "To be or not?"


async def test_scripted_usage_is_reported_and_none_means_that_no_usage_is() -> None:
    lines = (
        {"answer": "a", "attempt": 1, "usage": {"input": 1200, "output": 7, "cached": 1000}},
        {"answer": "b", "usage": "none"},
    )
    async with scene(*lines) as (fake, client):
        first, second = (await ask(client)).usage, (await ask(client)).usage
        log = await fake.log()
    assert (first.prompt_tokens, first.completion_tokens, first.total_tokens) == (1200, 7, 1207)
    assert first.prompt_tokens_details.cached_tokens == 1000
    assert second is None
    assert log[0]["tokens"] == {"input": 1200, "output": 7, "cached": 1000}


async def test_thoughts_a_reason_to_stop_and_probabilities_go_out_where_they_were_scripted_or_asked_for() -> None:
    async with scene({"answer": "At eight.", "reasoning": "Hm.", "finish_reason": "length"}) as (_, client):
        plain = (await ask(client)).choices[0]
        likely = (await ask(client, logprobs=True, top_logprobs=2)).choices[0].logprobs.content
    assert (plain.message.reasoning_content, plain.finish_reason, plain.logprobs) == ("Hm.", "length", None)
    assert [(token.token, len(token.top_logprobs)) for token in likely] == [("At", 2), (" eight.", 2)]


async def test_tool_calls_go_out_in_openai_shape() -> None:
    call = {"function": {"name": "lookup", "arguments": {"show": "{{question}}"}}}
    async with scene({"tool_calls": [call]}) as (_, client):
        found = (await ask(client)).choices[0]
        chunks = [chunk async for chunk in await ask(client, stream=True)]
    assert found.finish_reason == "tool_calls"
    assert found.message.content is None
    assert json.loads(found.message.tool_calls[0].function.arguments) == {"show": "When does the show begin?"}
    streamed = [tool.function.name for chunk in chunks for tool in chunk.choices[0].delta.tool_calls or ()]
    assert streamed == ["lookup"]


async def test_a_stream_adds_up_to_the_answer_and_ends_with_usage_if_asked() -> None:
    answer = "The curtain rises at eight o'clock sharp, and not a minute later. " * 4
    async with scene({"answer": answer}) as (_, client):
        plain = [chunk async for chunk in await ask(client, stream=True)]
        counted = [c async for c in await ask(client, stream=True, stream_options={"include_usage": True})]
    assert len(plain) > 5
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain) == answer
    assert plain[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in plain)
    assert counted[-1].choices == []
    assert counted[-1].usage.completion_tokens == len(answer) / 4


async def test_a_stream_on_the_wire_ends_with_done() -> None:
    async with scene({"answer": "hi"}) as (fake, _), httpx.AsyncClient(trust_env=False) as http:
        body = {"model": "m", "messages": ASKED, "stream": True}
        found = await http.post(f"{fake.base_url}/chat/completions", json=body)
    assert found.headers["content-type"].startswith("text/event-stream")
    assert found.text.endswith('"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')


@pytest.mark.parametrize("wanted", ["answer", "answer@1.2.0", "answer@1.2.0+abc"])
async def test_a_line_names_a_prompt_with_or_without_its_version(wanted: str) -> None:
    async with scene({"prompt": wanted, "answer": "mine"}, {"answer": "other"}) as (_, client):
        assert await text(client, prompt="answer@1.2.0+abc") == "mine"
        assert await text(client, prompt="answer@1.2.01+abc") == ("mine" if wanted == "answer" else "other")
        assert await text(client, prompt="answers@1.2.0+abc") == "other"
        assert await text(client) == "other"


async def test_attempts_count_per_run_and_prompt_name() -> None:
    lines = ({"prompt": "answer", "attempt": 2, "answer": "second"}, {"answer": "other"})
    async with scene(*lines) as (_, client):
        assert await text(client, run="resp_a", prompt="answer@1+x") == "other"
        assert await text(client, run="resp_b", prompt="answer@1+x") == "other"
        assert await text(client, run="resp_a", prompt="repair@1+x") == "other"
        assert await text(client, run="resp_a", prompt="answer@2+y") == "second"
        assert await text(client, run="resp_a", prompt="answer@2+y") == "other"


async def test_attempts_without_a_run_count_per_prompt() -> None:
    async with scene({"attempt": 2, "answer": "second"}, {"answer": "other"}) as (_, client):
        assert [await text(client, prompt="answer@1+x") for _ in range(3)] == ["other", "second", "other"]


async def test_lines_match_on_model_and_on_words_of_the_question() -> None:
    lines = ({"model": "big", "answer": "by model"}, {"contains": "the show", "answer": "by words"})
    async with scene(*lines) as (_, client):
        assert await text(client, model="big") == "by model"
        assert await text(client) == "by words"


async def test_a_line_is_used_as_often_as_it_says_and_the_script_tells_how_often() -> None:
    async with scene({"times": 2, "answer": "a"}, {"answer": "b"}) as (fake, client):
        assert [await text(client) for _ in range(3)] == ["a", "a", "b"]
        async with httpx.AsyncClient(trust_env=False) as http:
            shown = (await http.get(f"{fake.url}/script")).json()
    assert shown == [{"line": {"times": 2, "answer": "a"}, "used": 2}, {"line": {"answer": "b"}, "used": 1}]


async def test_a_call_that_no_line_is_for_fails_hard_and_is_counted() -> None:
    async with scene({"prompt": "repair", "answer": "x"}) as (fake, client):
        with pytest.raises(InternalServerError, match=r"prompt answer@1\+x, attempt 1, run resp_a") as raised:
            await ask(client, run="resp_a", prompt="answer@1+x")
        counts, log = await fake.counts(), await fake.log()
    assert raised.value.status_code == 501
    assert counts == {"calls": 1, "unscripted": 1, "billed": 0}
    assert (log[0]["fault"], log[0]["line"], log[0]["billed"]) == ("unscripted", None, False)


async def test_the_log_shows_each_call_without_its_key() -> None:
    async with scene({"answer": "At eight.", "usage": {"input": 5}}) as (fake, client):
        await ask(client, run="resp_a", prompt="answer@1+x", temperature=0)
        await ask(client, run="resp_b", prompt="answer@1+x")
        log, one = await fake.log(), await fake.log(run="resp_b")
    first = log[0]
    assert [entry["n"] for entry in log] == [1, 2]
    assert [entry["n"] for entry in one] == [2]
    assert (first["run"], first["prompt"], first["attempt"], first["line"]) == ("resp_a", "answer@1+x", 1, 1)
    assert (first["status"], first["fault"], first["answer"], first["billed"]) == (200, None, "At eight.", True)
    assert first["tokens"] == {"input": 5, "output": 3, "cached": 0}
    assert first["body"] == {"messages": ASKED, "model": "fake-model", "temperature": 0}
    assert first["headers"]["x-cuelight-prompt"] == "answer@1+x"
    assert 0 <= first["at"] <= first["ended_at"] <= log[1]["at"]
    assert "sk-secret" not in json.dumps(log)


async def test_clearing_the_log_starts_all_counts_again() -> None:
    async with scene({"attempt": 1, "answer": "call {{n}}"}) as (fake, client):
        assert await text(client) == "call 1"
        await fake.clear()
        assert await fake.counts() == {"calls": 0, "unscripted": 0, "billed": 0}
        assert await text(client) == "call 1"


async def test_a_long_log_forgets_its_oldest_bodies_but_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.testing.fake_model.app.KEPT_BYTES", 3_000)
    async with scene({"answer": "x"}) as (fake, client):
        for _ in range(3):
            await ask(client, messages=[{"role": "user", "content": "x" * 1_200}])
        assert [entry["n"] for entry in await fake.log()] == [2, 3]
        assert (await fake.counts())["calls"] == 3


async def test_a_new_script_takes_over_at_once_and_attempts_go_on() -> None:
    async with scene({"answer": "old"}) as (fake, client):
        assert await text(client) == "old"
        await fake.play(Script.of([{"attempt": 2, "answer": "new"}]))
        assert await text(client) == "new"


async def test_a_broken_new_script_is_refused_and_the_old_one_plays_on() -> None:
    async with scene({"answer": "old"}) as (fake, client), httpx.AsyncClient(trust_env=False) as http:
        refused = await http.put(f"{fake.url}/script", content="- answer: x\n- fault: explode\n")
        assert refused.status_code == 422
        assert "line 2 of the script" in refused.json()["error"]["message"]
        assert await text(client) == "old"


async def test_models_are_those_of_the_script_and_a_default() -> None:
    async with scene({"model": "big", "answer": "x"}) as (_, client):
        assert [model.id async for model in client.models.list()] == ["big", "fake-model"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"anser": "x"}, "anser: Extra inputs are not permitted"),
        ({}, "a line needs an answer, tool_calls, obedience or a fault"),
        ({"answer": "x", "attempt": 0}, "attempt: Input should be greater than or equal to 1"),
        ({"fault": "explode"}, "fault: Input tag 'explode'"),
        ({"fault": {"kind": "server_error", "status": 418}}, "fault.server_error.status: Input should be 500"),
        ("x", "Input should be a valid dictionary"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(line: Any, problem: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        Script.of([{"answer": "fine"}, line])
    assert str(raised.value).startswith("line 2 of the script")
    assert problem in str(raised.value)


@pytest.mark.parametrize("content", ["answer: x", "- [", '{"answer": "x"}', "", b"\xff\xfe\xff"])
def test_a_file_that_is_no_list_of_lines_is_refused_with_its_name(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(Misconfigured, match=r"script\.yaml: the script is"):
        Script.load(path)


def test_yaml_and_json_say_the_same() -> None:
    lines = [{"prompt": "answer", "attempt": 1, "fault": {"kind": "rate_limited", "retry_after": 2.0}}]
    yaml = "- prompt: answer\n  attempt: 1\n  fault: {kind: rate_limited, retry_after: 2}\n"
    assert Script.parse(json.dumps(lines)) == Script.parse(yaml) == Script.of(lines)
    assert Script.of(Script.parse(yaml).plain()) == Script.parse(yaml)


def test_the_documented_script_is_one(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs" / "fake-model.md").read_text()
    script = Script.parse(page.partition("```yaml\n")[2].partition("```")[0])
    assert [line.prompt for line in script.lines] == ["answer", "answer", "repair", None]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"model": ', "could not parse the JSON body"),
        (b"[]", "not a JSON object"),
        (b'{"messages": [{}]}', "model"),
        (b'{"model": "m", "messages": []}', "messages"),
    ],
)
async def test_a_request_no_endpoint_would_take_is_a_400_on_the_log(body: bytes, problem: str) -> None:
    async with scene({"answer": "x"}) as (fake, _), httpx.AsyncClient(trust_env=False) as http:
        found = await http.post(f"{fake.base_url}/chat/completions", content=body)
        log = await fake.log()
    assert found.status_code == 400
    assert problem in found.json()["error"]["message"]
    assert (log[0]["fault"], log[0]["billed"]) == ("invalid_request", False)


async def test_a_body_beyond_the_limit_is_refused_and_one_at_the_limit_is_answered() -> None:
    frame = json.dumps({"model": "m", "messages": [{"role": "user", "content": ""}]})
    full = frame.replace('""', '"' + "x" * (MAX_BODY_BYTES - len(frame)) + '"').encode()
    async with scene({"answer": "x"}) as (fake, _), httpx.AsyncClient(trust_env=False) as http:
        path = f"{fake.base_url}/chat/completions"
        assert (await http.post(path, content=full)).status_code == 200
        assert (await http.post(path, content=full + b" ")).status_code == 413
        assert (await http.get(f"{fake.url}/nowhere")).status_code == 404


async def test_one_connection_carries_many_calls() -> None:
    async with scene({"answer": "call {{n}}"}) as (fake, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", fake.port)
        body = json.dumps({"model": "m", "messages": ASKED}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
        writer.write((f"{head}\r\n".encode() + body) * 2 + f"{head}connection: close\r\n\r\n".encode() + body)
        found = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    assert [found.index(f"call {n}") for n in (1, 2, 3)] == sorted(found.index(f"call {n}") for n in (1, 2, 3))
    assert found.count("HTTP/1.1 200 OK") == 3


async def test_bytes_that_are_no_http_are_answered_with_400() -> None:
    async with scene({"answer": "x"}) as (fake, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", fake.port)
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        await writer.wait_closed()


async def test_a_taken_port_is_a_clear_error() -> None:
    async with running(Script()) as first:
        with pytest.raises(Misconfigured, match=f"cannot listen on 127.0.0.1:{first.port}"):
            async with running(Script(), port=first.port):
                pass


async def test_nothing_listens_after_the_block() -> None:
    async with running(Script()) as fake:
        pass
    with pytest.raises(httpx.ConnectError):
        await fake.counts()


async def test_it_runs_as_a_process_of_its_own() -> None:
    with as_process(Script.of([{"prompt": "answer", "answer": "from afar: {{question}}"}])) as fake:
        async with client_of(fake) as client:
            assert await text(client, prompt="answer@1+x") == "from afar: When does the show begin?"
        assert (await fake.counts())["billed"] == 1
