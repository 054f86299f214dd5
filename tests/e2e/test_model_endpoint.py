"""Endpoints and the book of models against a real HTTP server that misbehaves in every way it can.

The server is the fake model's, bound here so that a test also sees connections, and can send any bytes it likes.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from agent import Agent, Draft, tool
from agent.adapters.model.book import ModelBook, Quote
from agent.adapters.model.classify import MAX_BODY_BYTES
from agent.adapters.model.endpoint import Endpoint
from agent.effects import CallModel, ModelAnswer
from agent.errors import AgentError, Misconfigured, Overloaded, Permanent, Transient
from agent.events import Usage
from agent.items import FunctionTool
from agent.request import Message
from agent.settings import EndpointSettings, ModelSettings, Structured
from agent.testing import Script as ChainScript
from agent.testing import calls, says
from agent.testing.fake_model.app import FakeApp
from agent.testing.fake_model.script import Script
from agent.testing.fake_model.wire import App, Reply, Request, Wire
from agent.testing.rehearsal import rehearse
from tests.limits import Limit

KEY = "sk-very-secret-0123456789"
ASKED = CallModel(
    model="m",
    prompt="answer@1",
    messages=(Message(role="user", content="Why?"),),
    max_output_tokens=64,
    output_schema='{"properties":{"answer":{"type":"string"}},"type":"object"}',
)
ANSWER = {"answer": "So.", "usage": {"input": 100, "output": 10}}


class Server:
    """A server on loopback that answers with `app`; what it was asked, and over how many connections."""

    def __init__(self, app: App) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.asked = asyncio.Event()
        self.when_asked: Callable[[], object] = lambda: None
        self.port = 0
        self.wires: set[Wire] = set()
        self._app = app

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.requests]

    def connect(self) -> Wire:
        self.connections += 1
        return Wire(self._answer, self.wires)

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        self.asked.set()
        self.when_asked()
        return self._app(request)


@asynccontextmanager
async def serving(*lines: Any, app: App | None = None) -> AsyncIterator[Server]:
    server = Server(app or FakeApp(Script.of(lines)))
    listener = await asyncio.get_running_loop().create_server(server.connect, "127.0.0.1")
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        wires = list(server.wires)
        for wire in wires:
            wire.abort()
        await asyncio.gather(*(wire.task for wire in wires), return_exceptions=True)


def settings(
    url: str, *, key: str | None = KEY, structured: Structured = "auto", timeout_s: float = 60.0
) -> EndpointSettings:
    priced = ModelSettings(name="m", input_usd_per_mtok=Decimal(1), output_usd_per_mtok=Decimal(4))
    return EndpointSettings(
        name="near",
        base_url=url,
        api_key=None if key is None else SecretStr(key),
        models=(priced, ModelSettings(name="unpriced")),
        structured=structured,
        timeout_s=timeout_s,
    )


@asynccontextmanager
async def asking(server: Server, **options: Any) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(settings(server.url, **options))
    try:
        yield endpoint
    finally:
        await endpoint.close()


async def call(endpoint: Endpoint, effect: CallModel = ASKED, *, timeout_s: float = 30.0) -> ModelAnswer:
    return await endpoint.call(effect, timeout_s=timeout_s, headers={"x-cuelight-run": "resp_1"})


async def failure(endpoint: Endpoint, effect: CallModel = ASKED, *, timeout_s: float = 30.0) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await call(endpoint, effect, timeout_s=timeout_s)
    return caught.value


def always(reply: Reply) -> App:
    return lambda _: reply


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield


async def test_a_call_is_one_request_and_its_answer_has_usage_and_cost() -> None:
    async with serving(ANSWER) as server, asking(server) as endpoint:
        assert await call(endpoint) == ModelAnswer(
            text="So.",
            model="m",
            endpoint="near",
            usage=Usage(input_tokens=100, output_tokens=10),
            cost_usd=Decimal("0.00014"),
        )
    assert len(server.requests) == 1
    assert server.requests[0].path == "/v1/chat/completions"
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "Why?"}]


async def test_the_callers_headers_and_the_key_are_sent_and_nothing_that_repeats_a_request() -> None:
    async with serving(ANSWER) as server, asking(server) as endpoint:
        await call(endpoint)
    headers = server.requests[0].headers
    assert headers["x-cuelight-run"] == "resp_1"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "idempotency-key" not in headers


async def test_credentials_for_another_vendor_never_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(variable, "for-somebody-else")
    async with serving(ANSWER) as server, asking(server, key=None) as endpoint:
        await call(endpoint)
    assert "authorization" not in server.requests[0].headers
    assert "for-somebody-else" not in server.requests[0].headers.values()


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        ("rate_limited", Overloaded, "rate_limited"),
        ("insufficient_quota", Permanent, "quota"),
        ("server_error", Transient, "server"),
        ({"kind": "server_error", "status": 503, "retry_after": 3}, Overloaded, "server"),
        ("drop", Transient, "transport"),
        ({"kind": "drop", "after_bytes": 120}, Transient, "transport"),
        ({"kind": "drop", "reset": True}, Transient, "transport"),
        ("cut_json", Transient, "malformed"),
        ({"kind": "cut_json", "content_length": "full"}, Transient, "transport"),
        ("html", Transient, "malformed"),
        ("error_in_200", Transient, "malformed"),
        ("wrong_types", Transient, "malformed"),
        ("empty_choices", Transient, "empty"),
        ("null_content", Transient, "empty"),
        ({"kind": "huge", "size_bytes": MAX_BODY_BYTES}, Transient, "malformed"),
        ("bad_request", Permanent, "rejected"),
        ("unauthorized", Permanent, "unauthorized"),
        ("not_found", Permanent, "rejected"),
    ],
)
async def test_every_fault_has_its_kind_and_none_is_tried_twice(fault: Any, error: type[AgentError], kind: str) -> None:
    async with serving({"fault": fault}) as server, asking(server) as endpoint:
        failed = await failure(endpoint)
    assert (type(failed), failed.kind) == (error, kind)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["length", "refusal", "content_filter"])
async def test_an_answer_that_the_model_did_not_finish_says_why(fault: str) -> None:
    async with serving(ANSWER | {"fault": fault}) as server, asking(server) as endpoint:
        answer = await call(endpoint)
    assert (answer.finish_reason, answer.text) == (fault, "So." if fault == "length" else "")
    assert answer.cost_usd == Decimal("0.00014")


async def test_the_time_to_wait_comes_with_the_error() -> None:
    fault = {"kind": "rate_limited", "retry_after_ms": 2500, "retry_after": 9}
    async with serving({"fault": fault}) as server, asking(server) as endpoint:
        failed = await failure(endpoint)
    assert isinstance(failed, Overloaded)
    assert failed.retry_after_s == 2.5


async def test_a_paid_reply_without_an_answer_keeps_its_bill() -> None:
    async with serving(ANSWER | {"fault": "empty_choices"}) as server, asking(server) as endpoint:
        failed = await failure(endpoint)
    assert (failed.usage, failed.cost_usd) == (Usage(input_tokens=100, output_tokens=10), Decimal("0.00014"))


@pytest.mark.parametrize("fault", ["hang", {"kind": "hang", "after_bytes": 200}])
async def test_a_hang_ends_with_the_time_that_is_left(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit(monkeypatch)
    async with serving({"fault": fault}) as server, asking(server) as endpoint:
        server.when_asked = lambda: asyncio.get_running_loop().call_later(0.05, limit.run_out)
        failed = await failure(endpoint, timeout_s=limit.seconds)
    assert failed.kind == "transport"
    assert len(server.requests) == 1


async def test_a_hang_ends_with_the_endpoints_own_limit() -> None:
    async with serving({"fault": "hang"}) as server, asking(server, timeout_s=0.2) as endpoint:
        assert (await failure(endpoint, timeout_s=3600.0)).kind == "transport"


async def test_dripping_bytes_do_not_outlive_the_time_that_is_left() -> None:
    drip = {"kind": "slow", "chunk_ms": 20, "chunk_bytes": 1}
    async with serving({"answer": "x" * 10_000, "fault": drip}) as server, asking(server) as endpoint:
        failed = await failure(endpoint, timeout_s=0.3)
    assert str(failed) == "near did not answer within 0.3 s"


async def test_without_time_nothing_is_asked() -> None:
    async with serving(ANSWER) as server, asking(server) as endpoint:
        await call(endpoint)
        failed = await failure(endpoint, timeout_s=0.0)
    assert (failed.kind, str(failed)) == ("transport", "no time is left to ask near")
    assert len(server.requests) == 1


async def test_a_cancelled_call_is_no_failure() -> None:
    async with serving({"fault": "hang"}) as server, asking(server) as endpoint:
        task = asyncio.create_task(call(endpoint))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_endpoint_that_is_not_there_is_transient() -> None:
    async with serving() as server:
        pass
    async with asking(server) as endpoint:
        failed = await failure(endpoint)
    assert (type(failed), failed.kind) == (Transient, "transport")
    assert "near cannot be reached" in str(failed)


@pytest.mark.parametrize("error", [RuntimeError("the handler is closed"), AttributeError("getpeername")])
async def test_what_the_event_loop_says_of_a_connection_that_was_reset_is_transient(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reset(*_: Any, **__: Any) -> None:
        raise error

    async with serving(ANSWER) as server, asking(server) as endpoint:
        monkeypatch.setattr(endpoint._client, "post", reset)
        failed = await failure(endpoint)
    assert (type(failed), failed.kind) == (Transient, "transport")


async def test_connections_are_reused_after_failures_too() -> None:
    lines = [{"fault": fault, "times": 1} for fault in ("server_error", "html", "rate_limited")]
    async with serving(*lines, ANSWER) as server, asking(server) as endpoint:
        for _ in lines:
            await failure(endpoint)
        for _ in range(3):
            await call(endpoint)
    assert (len(server.requests), server.connections) == (6, 1)


async def test_a_redirect_is_not_followed() -> None:
    moved = Reply(307, {"location": "/elsewhere"})
    async with serving(app=always(moved)) as server, asking(server) as endpoint:
        assert (await failure(endpoint)).kind == "rejected"
    assert len(server.requests) == 1


async def test_a_compressed_reply_is_read() -> None:
    content = json.dumps({"choices": [{"message": {"content": "So."}, "finish_reason": "stop"}]}).encode()
    packed = Reply(200, {"content-type": "application/json", "content-encoding": "gzip"}, (gzip.compress(content),))
    async with serving(app=always(packed)) as server, asking(server) as endpoint:
        assert (await call(endpoint)).text == "So."


async def test_a_reply_above_the_limit_is_no_answer_however_it_begins() -> None:
    content = json.dumps({"choices": [{"message": {"content": "So."}, "finish_reason": "stop"}]}).encode()
    padded = Reply(200, {"content-type": "application/json"}, (content.ljust(MAX_BODY_BYTES + 1),))
    async with serving(app=always(padded)) as server, asking(server) as endpoint:
        assert (await failure(endpoint)).kind == "malformed"


async def test_an_error_without_end_is_still_an_error() -> None:
    long = Reply(500, {"content-type": "text/plain"}, (b"y" * (MAX_BODY_BYTES + 1_000_000),))
    async with serving(app=always(long)) as server, asking(server) as endpoint:
        failed = await failure(endpoint)
    assert failed.kind == "server"
    assert len(str(failed)) < 300


async def test_not_even_a_traceback_holds_the_key_or_a_long_body() -> None:
    echo = Reply(401, {"content-type": "text/plain"}, (f"bad key {KEY} {'z' * 1000}".encode(),))
    async with serving(app=always(echo)) as server, asking(server) as endpoint:
        told = "".join(traceback.format_exception(await failure(endpoint)))
    assert KEY not in told
    assert 0 < told.count("z" * 100) < 3


@pytest.mark.parametrize("fault", ["server_error", "rate_limited", "drop", "cut_json"])
async def test_a_call_that_fails_is_one_request_because_retries_are_not_the_clients_business(fault: str) -> None:
    async with serving({"fault": fault}) as server, asking(server) as endpoint:
        assert isinstance(await failure(endpoint), Transient)
    assert len(server.requests) == 1


async def test_a_refused_response_format_steps_down_at_once_and_is_remembered() -> None:
    picky = ANSWER | {"fault": {"kind": "bad_request", "when_response_format": "json_schema"}}
    async with serving(picky) as server, asking(server) as endpoint:
        assert (await call(endpoint)).text == "So."
        assert (await call(endpoint)).text == "So."
    formats = [sent["response_format"]["type"] for sent in server.bodies]
    assert formats == ["json_schema", "json_schema", "json_object", "json_object"]


async def test_an_endpoint_that_takes_no_response_format_is_asked_without() -> None:
    lines = [
        {"fault": {"kind": "bad_request", "when_response_format": wanted}} for wanted in ("json_schema", "json_object")
    ]
    async with serving(*lines, ANSWER) as server, asking(server) as endpoint:
        await call(endpoint)
        await call(endpoint)
    formats = [sent.get("response_format", {}).get("type") for sent in server.bodies]
    assert formats == ["json_schema", "json_schema", "json_object", None, None]


async def test_what_led_to_no_answer_is_not_remembered() -> None:
    refused = {"fault": {"kind": "bad_request", "message": "response_format, or whatever"}}
    async with serving(refused) as server, asking(server) as endpoint:
        assert (await failure(endpoint)).kind == "rejected"
        assert (await failure(endpoint)).kind == "rejected"
    formats = [sent.get("response_format", {}).get("type") for sent in server.bodies]
    assert formats == ["json_schema", "json_schema", "json_object", None] * 2


async def test_what_one_model_refuses_is_still_asked_of_another() -> None:
    picky = ANSWER | {"model": "m", "fault": {"kind": "bad_request", "when_response_format": "json_schema"}}
    async with serving(picky, ANSWER) as server, asking(server) as endpoint:
        await call(endpoint)
        answer = await call(endpoint, ASKED.model_copy(update={"model": "unpriced"}))
    assert server.bodies[-1]["response_format"]["type"] == "json_schema"
    assert (answer.cost_usd, answer.usage.input_tokens) == (None, 100)


async def test_nulls_that_strictness_forced_do_not_reach_the_check() -> None:
    optional = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]}
    asked = ASKED.model_copy(update={"output_schema": json.dumps(optional)})
    said = {"answer": {"a": "x", "b": None}}
    async with serving(said) as server, asking(server) as endpoint:
        assert json.loads((await call(endpoint, asked)).text) == {"a": "x"}
        sent = server.bodies[0]["response_format"]["json_schema"]
    assert sent["strict"] is True and sent["schema"]["properties"]["b"] == {"type": ["string", "null"]}
    async with serving(said) as server, asking(server, structured="json_schema") as endpoint:
        assert json.loads((await call(endpoint, asked)).text) == {"a": "x", "b": None}


async def test_an_endpoint_that_only_refuses_strictness_still_gets_the_schema() -> None:
    picky = ANSWER | {"fault": {"kind": "bad_request", "when_response_format": "json_schema_strict"}}
    async with serving(picky) as server, asking(server) as endpoint:
        await call(endpoint)
        await call(endpoint)
    assert ["strict" in sent["response_format"]["json_schema"] for sent in server.bodies] == [True, False, False]


CALLED = {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"b": null}'}}]}


@pytest.mark.parametrize(
    ("message", "finish_reason", "read"),
    [
        ({"refusal": "No."}, "stop", ("refusal", "", 0)),
        ({"content": None, "refusal": "No."}, "content_filter", ("content_filter", "", 0)),
        ({"content": None, **CALLED}, "tool_calls", ("tool_calls", "", 1)),
        ({"content": '{"a": "x", "b": null}', **CALLED}, "tool_calls", ("tool_calls", '{"a": "x", "b": null}', 1)),
        ({"content": '{"a": "x", "b": nul'}, "length", ("length", '{"a": "x", "b": nul', 0)),
    ],
)
async def test_what_comes_on_the_turn_that_found_strictness_refused_is_read_as_it_is(
    message: Any, finish_reason: str, read: Any
) -> None:
    optional = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]}
    tools = (FunctionTool(name="f", parameters="{}"),)
    asked = ASKED.model_copy(update={"output_schema": json.dumps(optional), "tools": tools})
    told = json.dumps({"choices": [{"message": message, "finish_reason": finish_reason}], "usage": {}}).encode()

    def picky(request: Request) -> Reply:
        if json.loads(request.body)["response_format"].get("json_schema", {}).get("strict"):
            return Reply(400, parts=(b'{"error": {"message": "strict json_schema is not supported"}}',))
        return Reply(parts=(told,))

    async with serving(app=picky) as server, asking(server) as endpoint:
        answer = await call(endpoint, asked)
        assert (await call(endpoint, asked)) == answer
    assert (answer.finish_reason, answer.text, len(answer.calls)) == read
    assert all(it.arguments == '{"b": null}' for it in answer.calls)
    assert len(server.requests) == 3, "strictness is tried once"


class Day(BaseModel):
    day: str


@tool
async def hours(asked: Day) -> str:
    """When it is open."""
    return "closed"


def is_good(draft: Draft) -> list[str]:
    return [] if "good" in draft.answer else [f"say something good, not {draft.answer}"]


async def test_every_call_to_a_model_begins_with_the_bytes_that_it_was_sent_first() -> None:
    form = {"type": "object", "properties": {"it": {"type": "string"}}}
    agent = Agent(name="a", prompt="chat", models=("m",), tools=(hours,), output=form, checks=(is_good,))
    said = [calls("hours", day="sunday"), says({"it": "bad"}), says({"it": "worse"}), says({"it": "good"})]
    chain = ChainScript({CallModel: said})
    await rehearse(agent, chain).ask("Well?")
    picky = ANSWER | {"fault": {"kind": "bad_request", "when_response_format": "json_schema_strict"}}
    async with serving(picky) as server, asking(server) as endpoint:
        for effect in chain.of(CallModel):
            await call(endpoint, effect)
    first, *later = (request.body.partition(b'],"max_tokens"')[0] for request in server.requests)
    assert len(later) == 4
    assert all(sent.startswith(first) for sent in later)
    assert later[2].startswith(later[1]) and later[3].startswith(later[1]), "what tools brought stays in front"
    assert not later[3].startswith(later[2]) and b"bad" not in later[3].replace(b"bad_", b"")


async def test_a_configured_rung_is_not_left() -> None:
    picky = {"fault": {"kind": "bad_request", "when_response_format": "json_schema"}}
    async with serving(picky) as server, asking(server, structured="json_schema") as endpoint:
        assert (await failure(endpoint)).kind == "rejected"
    assert len(server.requests) == 1


async def test_the_other_name_of_max_tokens_is_learned() -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    refused = {"times": 1, "fault": {"kind": "bad_request", "message": message}}
    async with serving(refused, ANSWER) as server, asking(server) as endpoint:
        await call(endpoint)
        await call(endpoint)
    assert [sent.get("max_completion_tokens") for sent in server.bodies] == [None, 64, 64]
    assert [sent.get("max_tokens") for sent in server.bodies] == [64, None, None]


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000/v1", "ftp://host/v1", "http://", "http://[::1/v1"])
def test_an_endpoint_without_a_usable_url_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="URL of endpoint 'near'"):
        Endpoint(settings(url))


@pytest.mark.parametrize("key", ["sk-two\nlines", "sk-…"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Endpoint(settings("http://127.0.0.1/v1", key=key))
    assert "sk-" not in str(caught.value)


class Echo:
    """An offline model that repeats its question."""

    async def call(self, effect: CallModel, /) -> ModelAnswer:
        return ModelAnswer(text=effect.messages[-1].content, model="offline", endpoint="offline", offline=True)


async def test_a_book_without_endpoints_has_the_offline_model_and_it_is_free() -> None:
    book = ModelBook((), Echo())
    asked = ASKED.model_copy(update={"model": "offline"})
    assert book.chain == ("offline",)
    assert book.quote(asked) == Quote("offline", Decimal(0), paid=False)
    assert (await book.call(asked, timeout_s=1.0, headers={})).text == "Why?"
    await book.close()


async def test_a_book_asks_the_endpoint_that_has_the_model_and_knows_what_it_may_cost() -> None:
    async with serving(ANSWER) as server:
        other = EndpointSettings(name="far", base_url=server.url, models=(ModelSettings(name="large"),))
        book = ModelBook((settings(server.url), other), Echo())
        assert book.chain == ("m", "unpriced", "large")
        answer = await book.call(ASKED.model_copy(update={"model": "large"}), timeout_s=30.0, headers={})
        assert answer.endpoint == "far"
        priced = book.quote(ASKED)
        await book.close()
    assert (priced.endpoint, priced.paid) == ("near", True)
    assert priced.worst_case_usd is not None
    assert priced.worst_case_usd > 4 * ASKED.max_output_tokens / Decimal(1_000_000)


@pytest.mark.parametrize("name", ["gone", "offline"])
async def test_a_model_that_is_not_there_is_refused_with_the_names_of_those_that_are(name: str) -> None:
    book = ModelBook((settings("http://127.0.0.1/v1"),), Echo())
    asked = ASKED.model_copy(update={"model": name})
    with pytest.raises(Permanent, match="m, unpriced") as caught:
        await book.call(asked, timeout_s=1.0, headers={})
    assert caught.value.kind == "rejected"
    with pytest.raises(Permanent):
        book.quote(asked)
    await book.close()


async def test_a_call_above_the_size_that_the_settings_name_is_not_made() -> None:
    async with serving(ANSWER, ANSWER) as server:
        sizes = (ModelSettings(name="m", context_tokens=100), ModelSettings(name="wide", context_tokens=10_000))
        book = ModelBook([EndpointSettings(name="near", base_url=server.url, models=sizes)], Echo())
        try:
            fits = ASKED.model_copy(update={"max_output_tokens": 20})
            long = fits.model_copy(update={"messages": (Message(role="user", content="why? " * 100),)})
            assert (await book.call(fits, timeout_s=30, headers={})).text == "So."
            with pytest.raises(Permanent) as caught:
                await book.call(long, timeout_s=30, headers={})
            assert (caught.value.kind, caught.value.cost_usd) == ("context_length_exceeded", Decimal(0))
            await book.call(long.model_copy(update={"model": "wide"}), timeout_s=30, headers={})
        finally:
            await book.close()
        assert [body["model"] for body in server.bodies] == ["m", "wide"]


def test_a_model_that_is_configured_twice_is_refused() -> None:
    with pytest.raises(Misconfigured, match="'m' is configured twice"):
        ModelBook((settings("http://127.0.0.1/v1"), settings("http://127.0.0.1/v1")), Echo())
