"""Every fault of the fake model, as the real OpenAI client sees it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import httpx
import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from agent.testing.fake_model import FakeModel, Script, running
from agent.testing.fake_model.faults import Fault

ANSWER = "The curtain rises at eight o'clock sharp."
ASKED: Any = [{"role": "user", "content": "When does the show begin?"}]
SOON = openai.Timeout(30, read=0.2)
"""What a test waits for bytes that never come."""


class Stage:
    """A client and a fake model that answers `fault`, then plainly."""

    def __init__(self, fake: FakeModel, client: AsyncOpenAI) -> None:
        self.fake = fake
        self.client = client

    async def ask(self, **options: Any) -> Any:
        return await self.client.chat.completions.create(**({"model": "m", "messages": ASKED} | options))

    async def stream(self) -> list[Any]:
        return [chunk async for chunk in await self.ask(stream=True)]

    async def last(self) -> dict[str, Any]:
        return (await self.fake.log())[-1]


@asynccontextmanager
async def stage(
    fault: Any, *, answer: str | None = ANSWER, timeout: float | openai.Timeout = 30.0, **line: Any
) -> AsyncIterator[Stage]:
    script = Script.of([{"fault": fault, "answer": answer, **line}])
    http = DefaultAsyncHttpxClient(trust_env=False)
    async with (
        running(script) as fake,
        AsyncOpenAI(base_url=fake.base_url, api_key="sk-x", max_retries=0, timeout=timeout, http_client=http) as client,
    ):
        yield Stage(fake, client)


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({}, "retry-after", None),
        ({"retry_after": 3}, "retry-after", "3"),
        ({"retry_after": 0.5}, "retry-after", "0.5"),
        ({"retry_after_ms": 250}, "retry-after-ms", "250"),
    ],
)
async def test_rate_limited_is_a_429_with_the_hint_that_was_scripted(
    options: dict[str, Any], header: str, value: str | None
) -> None:
    async with stage({"kind": "rate_limited", **options}) as on:
        with pytest.raises(openai.RateLimitError) as raised:
            await on.ask()
        assert (await on.last())["billed"] is False
    assert raised.value.code == "rate_limit_exceeded"
    assert raised.value.response.headers.get(header) == value


async def test_insufficient_quota_is_a_429_with_its_code() -> None:
    async with stage("insufficient_quota") as on:
        with pytest.raises(openai.RateLimitError) as raised:
            await on.ask()
    assert raised.value.code == "insufficient_quota"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_errors_have_the_scripted_status(status: int) -> None:
    async with stage({"kind": "server_error", "status": status, "retry_after": 1}) as on:
        with pytest.raises(openai.InternalServerError) as raised:
            await on.ask()
        assert (await on.last())["billed"] is False
    assert raised.value.status_code == status
    assert raised.value.response.headers["retry-after"] == "1"


async def test_unauthorized_is_a_401() -> None:
    async with stage("unauthorized") as on:
        with pytest.raises(openai.AuthenticationError) as raised:
            await on.ask()
    assert raised.value.code == "invalid_api_key"


async def test_an_unknown_model_is_a_404() -> None:
    async with stage("not_found") as on:
        with pytest.raises(openai.NotFoundError, match="The model `m` does not exist"):
            await on.ask()


SCHEMA = {"name": "answer", "schema": {"type": "object"}}
PLAIN: Any = {"type": "text"}
OBJECT: Any = {"type": "json_object"}
LENIENT: Any = {"type": "json_schema", "json_schema": SCHEMA}
STRICT: Any = {"type": "json_schema", "json_schema": {**SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("when", "rejected", "answered"),
    [
        ("json_schema_strict", [STRICT], [LENIENT, OBJECT, PLAIN]),
        ("json_schema", [STRICT, LENIENT], [OBJECT, PLAIN]),
        ("json_object", [OBJECT], [STRICT, LENIENT, PLAIN]),
    ],
)
async def test_a_rejected_response_format_is_a_400_and_other_calls_are_answered(
    when: str, rejected: list[Any], answered: list[Any]
) -> None:
    async with stage({"kind": "bad_request", "when_response_format": when}) as on:
        for wanted in rejected:
            with pytest.raises(openai.BadRequestError, match=r"response_format") as raised:
                await on.ask(response_format=wanted)
            assert raised.value.param == "response_format"
        assert (await on.last())["billed"] is False
        for wanted in answered:
            assert (await on.ask(response_format=wanted)).choices[0].message.content == ANSWER
        last = await on.last()
        assert (last["fault"], last["billed"]) == (None, True)


async def test_a_rejection_without_an_answer_leaves_other_calls_to_the_next_line() -> None:
    rejects = {"kind": "bad_request", "when_response_format": "json_schema", "message": "no schemas, please"}
    async with stage(rejects, answer=None) as on:
        with pytest.raises(openai.BadRequestError, match="no schemas, please"):
            await on.ask(response_format=LENIENT)
        with pytest.raises(openai.InternalServerError, match="no line of the script"):
            await on.ask()


async def test_a_hang_never_answers_and_notes_when_the_client_leaves() -> None:
    async with stage("hang", timeout=SOON) as on:
        with pytest.raises(openai.APITimeoutError):
            await on.ask()
        last = await on.last()
    assert (last["status"], last["client_left"], last["billed"]) == (None, True, False)
    assert last["ended_at"] > last["at"]


async def test_a_hang_in_the_middle_of_a_body_is_a_billed_timeout() -> None:
    async with stage({"kind": "hang", "after_bytes": 250}, timeout=SOON) as on:
        with pytest.raises(openai.APITimeoutError):
            await on.ask()
        last = await on.last()
    assert (last["status"], last["client_left"], last["billed"]) == (200, True, True)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_drop_closes_the_connection_without_a_byte(reset: bool) -> None:
    async with stage({"kind": "drop", "reset": reset}) as on:
        with pytest.raises(openai.APIConnectionError) as raised:
            await on.ask()
        last = await on.last()
    assert type(raised.value.__cause__).__name__ == ("ReadError" if reset else "RemoteProtocolError")
    assert (last["status"], last["client_left"], last["billed"]) == (None, False, False)


async def test_a_drop_after_some_bytes_is_billed() -> None:
    async with stage({"kind": "drop", "after_bytes": 250}) as on:
        with pytest.raises(openai.APIConnectionError):
            await on.ask()
        assert (await on.last())["billed"] is True


async def test_cut_json_is_an_honest_body_that_does_not_parse() -> None:
    async with stage("cut_json") as on:
        with pytest.raises(json.JSONDecodeError):
            await on.ask()
        assert (await on.last())["billed"] is True


async def test_cut_json_with_the_full_content_length_is_a_broken_connection() -> None:
    async with stage({"kind": "cut_json", "content_length": "full"}) as on:
        with pytest.raises(openai.APIConnectionError):
            await on.ask()


async def test_html_comes_back_from_the_client_as_a_string() -> None:
    async with stage("html") as on:
        found = await on.ask()
        assert (await on.last())["billed"] is True
    assert isinstance(found, str)
    assert "<html>" in found


async def test_an_error_in_200_has_no_choices() -> None:
    async with stage("error_in_200") as on:
        assert (await on.ask()).choices is None
        assert (await on.last())["billed"] is False
        with pytest.raises(openai.APIError, match="Internal server error"):
            await on.stream()


async def test_wrong_types_come_through_the_client_unchecked() -> None:
    async with stage("wrong_types") as on:
        assert (await on.ask()).choices == "nope"


async def test_empty_choices_come_through() -> None:
    async with stage("empty_choices") as on:
        assert (await on.ask()).choices == []
        assert (await on.last())["billed"] is True


async def test_null_content_has_no_text_and_no_reason() -> None:
    async with stage("null_content") as on:
        found = (await on.ask()).choices[0]
    assert (found.message.content, found.message.refusal, found.finish_reason) == (None, None, "stop")


async def test_a_refusal_is_set_beside_null_content() -> None:
    async with stage({"kind": "refusal", "text": "No."}) as on:
        message = (await on.ask()).choices[0].message
        streamed = [chunk.choices[0].delta.refusal for chunk in await on.stream()]
        last = await on.last()
    assert (message.content, message.refusal) == (None, "No.")
    assert "No." in streamed
    assert (last["billed"], last["answer"]) == (True, "No.")


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_a_stopped_answer_is_cut_and_says_why(reason: str) -> None:
    async with stage({"kind": reason, "chars": 11}) as on:
        found = (await on.ask()).choices[0]
        last = await on.last()
    assert (found.message.content, found.finish_reason) == ("The curtain", reason)
    assert (last["billed"], last["tokens"]["output"], last["answer"]) == (True, 3, "The curtain")


async def test_a_wrong_schema_is_valid_json_of_another_shape() -> None:
    async with stage("wrong_schema") as on:
        found = json.loads((await on.ask()).choices[0].message.content)
    assert set(found) == {"reply", "sources"}


async def test_a_fake_citation_has_the_right_shape_and_a_made_up_quote() -> None:
    async with stage({"kind": "fake_citation", "quote": "nobody wrote this"}) as on:
        found = json.loads((await on.ask()).choices[0].message.content)
    assert found["citations"] == [{"passage_id": "p1", "quote": "nobody wrote this"}]
    assert found["no_answer"] is False


async def test_bad_characters_are_a_nul_and_a_lone_surrogate_and_the_log_stays_readable() -> None:
    async with stage("bad_characters") as on:
        assert (await on.ask()).choices[0].message.content == ANSWER + "\x00\ud800"
        assert (await on.last())["answer"] == ANSWER + "\x00?"


async def test_huge_is_as_long_as_scripted_whole_and_streamed() -> None:
    async with stage({"kind": "huge", "size_bytes": 300_000}) as on:
        whole = (await on.ask()).choices[0].message.content
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in await on.stream())
        last = await on.last()
    assert len(whole) == len(streamed) == 300_000
    assert (last["tokens"]["output"], len(last["answer"])) == (75_000, 4_000)


async def test_slow_drips_the_body_and_the_stream_but_all_of_it_arrives() -> None:
    async with stage({"kind": "slow", "chunk_ms": 1, "chunk_bytes": 40}) as on:
        assert (await on.ask()).choices[0].message.content == ANSWER
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in await on.stream())
        assert streamed == ANSWER
        assert (await on.last())["client_left"] is False


async def test_slow_sends_bytes_long_before_the_end() -> None:
    async with (
        stage({"kind": "slow", "chunk_ms": 60_000, "chunk_bytes": 10}) as on,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        asked = {"model": "m", "messages": ASKED}
        async with http.stream("POST", f"{on.fake.base_url}/chat/completions", json=asked) as found:
            first = await anext(found.aiter_raw())
            assert (await on.last())["ended_at"] is None
    assert first == b'{"id":"cha'


async def test_a_stream_without_a_finish_reason_raises_nothing_in_the_client() -> None:
    async with stage("stream_unfinished") as on:
        chunks = await on.stream()
        assert (await on.last())["billed"] is True
        assert (await on.ask()).choices[0].finish_reason == "stop"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


async def test_a_cut_stream_is_a_broken_connection() -> None:
    seen = []
    async with stage({"kind": "stream_cut", "after_events": 2}) as on:
        with pytest.raises(openai.APIConnectionError):
            async for chunk in await on.ask(stream=True):
                seen.append(chunk)  # noqa: PERF401  # what came before the break is wanted
        assert (await on.ask()).choices[0].message.content == ANSWER
    assert len(seen) == 2


async def test_a_delay_comes_before_anything_and_whoever_leaves_meanwhile_is_noted() -> None:
    async with stage("html", delay_ms=60_000, timeout=SOON) as on:
        with pytest.raises(openai.APITimeoutError):
            await on.ask()
        last = await on.last()
    assert (last["client_left"], last["billed"]) == (True, True)


async def test_a_line_may_say_itself_whether_it_is_billed() -> None:
    async with stage("hang", billed=True, timeout=SOON) as on:
        with pytest.raises(openai.APITimeoutError):
            await on.ask()
        assert (await on.fake.counts())["billed"] == 1


def test_every_fault_is_documented(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs" / "fake-model.md").read_text()
    kinds = [get_args(model.model_fields["kind"].annotation)[0] for model in get_args(get_args(Fault)[0])]
    assert len(kinds) == 25
    assert [kind for kind in kinds if f"`{kind}`" not in page] == []
