"""The HTTP door from outside: one call in, one Response object or one typed error out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import httpx2
import openai
import orjson
import pytest
import structlog
from openai.types.responses import Response as OpenAIResponse
from starlette.routing import Route

from agent.access import hashed, sign
from agent.errors import Refused, Transient
from agent.events import Citation
from agent.outcome import failure_of
from agent.ports import NewRun, Pointer, StoredPassage
from agent.testing.memory import MemoryLedger
from api.access import Gate
from api.app import Door, create_app
from api.calls import Calls
from api.cancelling import Cancelling
from api.endings import Endings
from api.holding import Holding
from api.keyring import Keyring
from api.middleware import EveryReply
from api.opening import Opening
from api.responses import Responses
from api.waiting import Waiters
from tests.stage import QUESTION, Stage, accepted

CITATION = Citation(
    answer_start=0,
    answer_end=10,
    passage_id="psg_1",
    document_id="doc_1",
    title="Warranty <terms>",
    source="docs/warranty.md",
    passage_start=4,
    passage_end=13,
    quote="two years",
)
PASSAGE = StoredPassage(
    id="psg_1",
    project="default",
    collection="default",
    document_id="doc_1",
    title="Warranty <terms>",
    source="docs/warranty.md",
    url=None,
    text="For two years & a day, <script>alert(1)</script> nothing breaks.",
    current=True,
)


def error_of(reply: httpx.Response) -> dict[str, Any]:
    """The error of a reply, which is typed and carries a request id, whatever went wrong."""
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    body = reply.json()
    assert list(body) == ["error"]
    assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error


# ------------------------------------------------------------------------------------------------ asking


async def test_a_question_comes_back_as_a_completed_response() -> None:
    async with Stage(lambda _: accepted("Two years.", citations=(CITATION,))).client() as client:
        reply = await client.post("/v1/responses", json=QUESTION)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    OpenAIResponse.model_validate(body)
    assert body["status"] == "completed"
    assert body["output"][0]["content"][0]["text"] == "Two years."
    note = body["output"][0]["content"][0]["annotations"][0]
    signature = sign(hashed("default"), "default", "psg_1")
    assert note["url"] == f"http://door.test/passages/psg_1?start=4&end=13&project=default&signature={signature}"


async def test_the_real_openai_client_reads_the_answer() -> None:
    stage = Stage(lambda _: accepted("Two years."))
    app = create_app(stage.door)
    async with app.router.lifespan_context(app):
        wire = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with openai.AsyncOpenAI(api_key="none", base_url="http://door.test/v1", http_client=wire) as client:
            answer = await client.responses.create(model="documents", input="How long?", metadata={"ticket": "7"})
            again = await client.responses.retrieve(answer.id)
            with pytest.raises(openai.NotFoundError) as caught:
                await client.responses.create(model="gpt-9", input="How long?")
            models = [model.id async for model in client.models.list()]
    assert answer.output_text == "Two years."
    assert answer._request_id
    assert answer.metadata is not None
    assert answer.metadata["ticket"] == "7"
    assert again == answer
    assert caught.value.code == "model_not_found"
    assert caught.value.request_id
    assert models == ["documents", "chat"]


async def test_the_previous_answer_can_be_sent_back_as_the_openai_client_writes_it() -> None:
    stage = Stage(lambda _: accepted("Two years."))
    app = create_app(stage.door)
    async with app.router.lifespan_context(app):
        wire = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with openai.AsyncOpenAI(api_key="none", base_url="http://door.test/v1", http_client=wire) as client:
            first = await client.responses.create(input="How long?")
            turns: list[Any] = [{"role": "user", "content": "How long?"}, *first.output]
            await client.responses.create(input=[*turns, {"role": "user", "content": "Sure?"}])
    assert [(turn.role, turn.content) for turn in stage.last.messages] == [
        ("user", "How long?"),
        ("assistant", "Two years."),
        ("user", "Sure?"),
    ]


async def test_what_was_answered_can_be_read_back_byte_for_byte() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        posted = await client.post("/v1/responses", json=QUESTION)
        got = await client.get(f"/v1/responses/{posted.json()['id']}")
    assert got.status_code == 200
    assert got.content == posted.content


async def test_a_failed_run_is_a_200_whose_status_says_failed() -> None:
    async with Stage(lambda _: failure_of("quota")).client() as client:
        reply = await client.post("/v1/responses", json=QUESTION)
    assert reply.status_code == 200
    assert reply.json()["status"] == "failed"
    assert reply.json()["error"]["code"] == "rate_limit_exceeded"
    assert reply.json()["output"] == []
    OpenAIResponse.model_validate(reply.json())


async def test_the_run_is_registered_before_it_is_published() -> None:
    order: list[str] = []

    class Watched(Stage):
        async def register(self, run: str, /) -> None:
            order.append("register")
            await super().register(run)

        async def publish(self, pointer: Pointer, /) -> str:
            order.append("publish")
            assert pointer.run in self.ledger.runs
            return await super().publish(pointer)

    async with Watched(lambda _: accepted()).client() as client:
        await client.post("/v1/responses", json=QUESTION)
    assert order == ["register", "publish"]


async def test_a_publish_that_fails_does_not_fail_the_request() -> None:
    class Broken(Stage):
        async def publish(self, pointer: Pointer, /) -> str:
            await super().publish(pointer)
            raise Transient("the transport is away")

    async with Broken(lambda _: accepted()).client() as client:
        reply = await client.post("/v1/responses", json=QUESTION)
    assert reply.json()["status"] == "completed"


async def test_an_ending_that_nobody_rang_for_is_found_at_the_deadline() -> None:
    class Swift(MemoryLedger):
        async def open(self, new: NewRun, /) -> str:
            await super().open(new)
            await stage.end(new.pointer, accepted())
            return new.id

    stage = Stage()
    stage.ledger = Swift()
    stage.door = replace(_hasty(stage), ledger=stage.ledger, shelf=stage.ledger)
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=QUESTION)
    assert reply.json()["status"] == "completed"


async def test_a_ledger_out_of_reach_is_a_503_to_be_tried_again() -> None:
    stage = Stage(lambda _: accepted())
    stage.ledger.reachable = False
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=QUESTION)
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "1"
    assert error_of(reply)["code"] == "unavailable"


async def test_a_run_that_does_not_end_in_time_is_a_504_that_names_it() -> None:
    stage = Stage()
    stage.door = _hasty(stage)
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=QUESTION)
        (run,) = stage.ledger.runs
        polled = await client.get(f"/v1/responses/{run}")
    assert reply.status_code == 504
    assert run in error_of(reply)["message"]
    assert reply.headers["location"] == f"/v1/responses/{run}"
    assert reply.headers["x-should-retry"] == "false"
    assert polled.json()["status"] == "in_progress"
    assert polled.json()["output"] == []
    assert polled.json()["usage"] is None
    OpenAIResponse.model_validate(polled.json())


async def test_a_client_that_hangs_up_leaves_no_waiter_behind_and_the_run_goes_on() -> None:
    stage = Stage()
    waiters = Waiters(stage, stage.ledger)
    heard: list[bool] = []

    class Leaving(Stage):
        async def publish(self, pointer: Pointer, /) -> str:
            heard.append(pointer.run in waiters.waiting)
            gone.set()
            return await super().publish(pointer)

    gone = asyncio.Event()
    door = replace(stage.door, streams=Leaving())
    holding, cancelling = Holding(stage.callers, "here"), Cancelling(door)
    calls = Calls(door, holding, cancelling)
    create = Responses(door, Opening(door, holding), Endings(door, waiters), calls, cancelling).create
    app = EveryReply(Gate(Route("/v1/responses", create, methods=["POST"]).app, Keyring(stage.access)))
    body = iter([{"type": "http.request", "body": orjson.dumps(QUESTION), "more_body": False}])
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if message := next(body, None):
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/responses", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    assert heard == [True]
    assert sent[0]["status"] == 499
    assert waiters.waiting == []
    assert len(stage.ledger.work) == 1


async def test_a_request_that_the_store_refuses_is_the_clients_to_mend() -> None:
    class Picky(MemoryLedger):
        async def open(self, new: NewRun, /) -> str:
            raise Refused("bytes")

    stage = Stage()
    async with Stage(ledger=Picky(), shelf=stage.ledger).client() as client:
        reply = await client.post("/v1/responses", json=QUESTION)
    assert reply.status_code == 400
    assert error_of(reply)["code"] == "invalid_request"


# ------------------------------------------------------------------------------------------------ reading


async def test_a_response_that_was_not_to_be_stored_is_gone_after_its_answer() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        posted = await client.post("/v1/responses", json={**QUESTION, "store": False})
        got = await client.get(f"/v1/responses/{posted.json()['id']}")
    assert posted.json()["store"] is False
    assert got.status_code == 404
    assert error_of(got)["code"] == "response_not_found"


@pytest.mark.parametrize("wanted", ["resp_0190", "nothing", "resp_%00", "resp_%ff%fe", "resp_" + "a" * 500])
async def test_an_unknown_response_is_a_typed_404(wanted: str) -> None:
    async with Stage().client() as client:
        reply = await client.get(f"/v1/responses/{wanted}")
    assert reply.status_code == 404
    assert error_of(reply)["type"] == "not_found"


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("stream=yes", "stream", "invalid_request"),
        ("stream=true&stream=false", "stream", "invalid_request"),
        ("starting_after=3", "starting_after", "invalid_request"),
        ("starting_after=-1&stream=true", "starting_after", "invalid_request"),
        ("starting_after=1e9&stream=true", "starting_after", "invalid_request"),
        ("include_obfuscation=1", "include_obfuscation", "invalid_request"),
        ("include%5B%5D=file_search_call.results", "include", "unsupported_parameter"),
        ("include%5B%5D=cuelight.progress&stream=true", "include", "invalid_request"),
        ("colour=red", "colour", "unknown_parameter"),
    ],
)
async def test_query_parameters_of_a_read_are_refused_by_name(query: str, param: str, code: str) -> None:
    async with Stage(lambda _: accepted()).client() as client:
        posted = await client.post("/v1/responses", json=QUESTION)
        reply = await client.get(f"/v1/responses/{posted.json()['id']}?{query}")
        plain = await client.get(f"/v1/responses/{posted.json()['id']}?stream=false")
    assert reply.status_code == 400
    assert (error_of(reply)["param"], error_of(reply)["code"]) == (param, code)
    assert plain.status_code == 200


async def test_agents_are_listed_as_models() -> None:
    async with Stage().client() as client:
        listed = (await client.get("/v1/models")).json()
        one = (await client.get("/v1/models/chat")).json()
        none = await client.get("/v1/models/gpt-9")
    assert listed["object"] == "list"
    assert listed["data"][1] == one
    assert one == {
        "id": "chat",
        "object": "model",
        "created": 1_767_268_800,
        "owned_by": "cuelight",
        "description": "Answers as chat.",
    }
    assert none.status_code == 404
    assert error_of(none)["code"] == "model_not_found"


# ------------------------------------------------------------------------------------------------ refusing


async def test_a_body_is_refused_while_it_is_read_once_it_is_too_large() -> None:
    pulled = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal pulled
        for _ in range(1_000):
            pulled += 1
            yield b" " * 1_000

    async with Stage().client() as client:
        reply = await client.post("/v1/responses", content=flood(), headers={"content-type": "application/json"})
    assert reply.status_code == 413
    assert error_of(reply)["code"] == "request_too_large"
    assert reply.headers["connection"] == "close"
    assert pulled < 200


@pytest.mark.parametrize(
    "headers", [{"content-length": "1000000"}, {"content-length": "30000", "expect": "100-continue"}]
)
async def test_a_body_that_announces_far_too_much_or_waits_for_a_word_is_refused_unread(
    headers: dict[str, str],
) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("nobody has to read this")
        yield b""

    headers |= {"content-type": "application/json"}
    async with Stage().client() as client:
        reply = await client.post("/v1/responses", content=unread(), headers=headers)
    assert reply.status_code == 413
    assert error_of(reply)["type"] == "invalid_request_error"
    assert reply.headers["connection"] == "close"


async def test_a_body_that_is_a_little_too_large_is_received_so_that_its_client_reads_why_it_is_refused() -> None:
    pulled = 0

    async def much() -> AsyncIterator[bytes]:
        nonlocal pulled
        for _ in range(60):
            pulled += 1
            yield b" " * 1_000

    headers = {"content-type": "application/json"}
    async with Stage().client() as client:
        refused = [
            await client.post("/v1/responses", content=much(), headers=headers),
            await client.post("/v1/responses", content=much(), headers={**headers, "content-length": "60000"}),
        ]
    assert [reply.status_code for reply in refused] == [413, 413]
    assert pulled == 120
    assert not any("connection" in reply.headers for reply in refused)


async def test_what_is_allowed_on_a_response_is_told_whole() -> None:
    async with Stage().client() as client:
        reply = await client.put("/v1/responses/resp_1", json={})
    assert reply.status_code == 405
    assert set(reply.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_a_body_in_another_dress_is_a_415(headers: dict[str, str]) -> None:
    async with Stage().client() as client:
        reply = await client.post("/v1/responses", content=b'{"input": "hi"}', headers=headers)
    assert reply.status_code == 415
    assert error_of(reply)["code"] == "unsupported_media_type"


async def test_a_charset_beside_the_media_type_is_no_harm() -> None:
    dress = {"content-type": "Application/JSON; charset=utf-8"}
    async with Stage(lambda _: accepted()).client() as client:
        reply = await client.post("/v1/responses", content=b'{"input": "hi"}', headers=dress)
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"input": NaN}', "not JSON"),
        (b'{"input": "\xff"}', "not JSON"),
        (b'{"input": "\\ud800"}', "surrogate"),
        (b'{"input": "a\\u0000b"}', "NUL"),
        (b'{"input": "hi", "meta\\u0000": 1}', "NUL"),
        (b'{"input": ' + b"[" * 80 + b"]" * 80 + b"}", "nested"),
        (b'{"input": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "not JSON"),
        (b'["input"]', "JSON object"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_400_that_says_why(body: bytes, words: str) -> None:
    async with Stage().client() as client:
        reply = await client.post("/v1/responses", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert words in error_of(reply)["message"]


async def test_unknown_paths_and_wrong_methods_are_typed() -> None:
    async with Stage().client() as client:
        lost = await client.get("/v1/nothing")
        slash = await client.get("/v1/models/")
        wrong = await client.put("/v1/responses", json={})
    assert (lost.status_code, error_of(lost)["code"]) == (404, "not_found")
    assert slash.status_code == 404
    assert (wrong.status_code, error_of(wrong)["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


async def test_a_bug_is_a_typed_500_that_gives_nothing_away() -> None:
    class Buggy(MemoryLedger):
        async def open(self, new: NewRun, /) -> str:
            raise ZeroDivisionError("secret words")

    async with Stage(ledger=Buggy()).client() as client:
        reply = await client.post("/v1/responses", json=QUESTION)
    assert reply.status_code == 500
    assert error_of(reply)["type"] == "server_error"
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    assert reply.headers["x-should-retry"] == "false"


# ------------------------------------------------------------------------------------------------ every reply


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/v1/nothing", "/passages/none", "/v1/responses/none"])
async def test_every_reply_has_a_request_id_and_safe_headers(path: str) -> None:
    async with Stage().client() as client:
        reply = await client.get(path)
        again = await client.get(path)
    assert reply.headers["x-request-id"].startswith("req_")
    assert reply.headers["x-request-id"] != again.headers["x-request-id"]
    assert len(bytes.fromhex(reply.headers["x-trace-id"])) == 16
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("sent", "kept"), [("job 17/a", True), ("x" * 128, True), ("x" * 129, False), ("", False), ("a\tb", False)]
)
async def test_a_clients_own_request_id_is_kept_if_it_can_be_printed(sent: str, kept: bool) -> None:
    async with Stage().client() as client:
        reply = await client.get("/v1/nothing", headers={"x-request-id": sent})
    assert (reply.headers["x-request-id"] == sent) is kept


async def test_the_line_of_a_request_names_its_run_and_the_next_one_does_not() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            reply = await client.post("/v1/responses", json=QUESTION)
            await client.get("/v1/models")
    asked, listed = [line for line in lines if line["event"] == "request"]
    assert asked["run"] == reply.json()["id"]
    assert (asked["request"], asked["trace"]) == (reply.headers["x-request-id"], reply.headers["x-trace-id"])
    assert "run" not in listed


async def test_a_callers_trace_is_kept_with_the_run() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    sent = f"00-{trace}-b7ad6b7169203331-01"
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        reply = await client.post("/v1/responses", json=QUESTION, headers={"traceparent": sent})
    assert reply.json()["metadata"]["cuelight.trace_id"] == trace
    assert [row.new.trace.split("-")[1] for row in stage.ledger.runs.values()] == [trace]


@pytest.mark.parametrize(
    "sent", ["", "00-0-0-01", f"00-{'0' * 32}-b7ad6b7169203331-01", f"ff-{'a' * 32}-{'b' * 16}-01"]
)
async def test_a_trace_that_is_none_is_replaced(sent: str) -> None:
    async with Stage(lambda _: accepted()).client() as client:
        reply = await client.post("/v1/responses", json=QUESTION, headers={"traceparent": sent})
    trace = reply.json()["metadata"]["cuelight.trace_id"]
    assert len(trace) == 32
    assert trace not in sent


# ------------------------------------------------------------------------------------------------ health


async def test_health_and_readiness_are_two_things() -> None:
    stage = Stage()
    async with stage.client() as client:
        ready = await client.get("/readyz")
        stage.ledger.reachable = False
        unready = await client.get("/readyz")
        alive = await client.get("/healthz")
    checks = {"ledger": "ok", "doorbell": "ok", "work": "ok"}
    assert ready.json() == {"status": "ok", "checks": checks, "paused": [], "offline": False}
    assert unready.status_code == 503
    assert unready.json()["checks"] == {"ledger": "unavailable", "doorbell": "ok", "work": "ok"}
    assert "ledger" in unready.json()["error"]["message"]
    assert alive.status_code == 200


# ------------------------------------------------------------------------------------------------ passages


async def test_a_cited_passage_is_shown_with_its_words_marked_and_everything_escaped() -> None:
    stage = Stage()
    stage.ledger.passages["psg_1"] = PASSAGE
    async with stage.client() as client:
        page = await client.get("/passages/psg_1?start=4&end=15")
    assert page.status_code == 200
    assert "<mark>two years &amp;</mark>" in page.text
    assert "Warranty &lt;terms&gt;" in page.text
    assert "<script" not in page.text
    assert "has changed" not in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_a_replaced_passage_says_that_its_document_has_changed() -> None:
    stage = Stage()
    stage.ledger.passages["psg_1"] = replace(PASSAGE, current=False)
    async with stage.client() as client:
        page = await client.get("/passages/psg_1")
    assert "has changed since it was cited" in page.text
    assert "<mark>" not in page.text


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("start=-5&end=3", "For"),
        ("start=49&end=99999", "nothing breaks."),
        ("end=3", "For"),
        ("start=9&end=3", None),
        ("start=9999&end=99999", None),
    ],
)
async def test_spans_are_clamped_to_the_passage(query: str, marked: str | None) -> None:
    stage = Stage()
    stage.ledger.passages["psg_1"] = PASSAGE
    async with stage.client() as client:
        page = await client.get(f"/passages/psg_1?{query}")
    assert page.status_code == 200
    assert (f"<mark>{marked}</mark>" in page.text) if marked else ("<mark>" not in page.text)


@pytest.mark.parametrize("query", ["start=one", "end=1.5", "start=٣", f"end={'9' * 5_000}", "from=3"])
async def test_a_span_that_is_no_number_is_a_400(query: str) -> None:
    stage = Stage()
    stage.ledger.passages["psg_1"] = PASSAGE
    async with stage.client() as client:
        reply = await client.get(f"/passages/psg_1?{query}")
    assert reply.status_code == 400
    assert error_of(reply)["param"] in ("start", "end", "from")


async def test_an_unknown_passage_is_typed_for_programs_and_a_page_for_readers() -> None:
    async with Stage().client() as client:
        typed = await client.get("/passages/psg_2")
        page = await client.get("/passages/psg_2", headers={"accept": "text/html,*/*"})
    assert (typed.status_code, error_of(typed)["code"]) == (404, "passage_not_found")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "There is no such passage" in page.text


@pytest.mark.parametrize(
    ("url", "linked"),
    [("https://docs.test/a?b=1&c=2", True), ("javascript:alert(1)", False), ("data:text/html,x", False)],
)
async def test_only_web_addresses_become_links(url: str, linked: bool) -> None:
    stage = Stage()
    stage.ledger.passages["psg_1"] = replace(PASSAGE, url=url)
    async with stage.client() as client:
        page = await client.get("/passages/psg_1")
    assert ("<a href=" in page.text) is linked
    assert "javascript:" not in page.text


def _hasty(stage: Stage) -> Door:
    """The door with no patience: its grace takes back what the deadline gives."""
    return replace(stage.door, grace_s=-stage.door.agents["documents"].agent.budget.deadline_s)
