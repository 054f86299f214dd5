"""Calls that wait long: white space for proxies, ledgers that go away meanwhile, doorbells that never ring.

Time is held by the test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import openai
import orjson
import pytest

from agent.ports import NewRun, Pointer, RunView
from agent.testing.memory import MemoryLedger
from api.app import create_app
from api.entrance import LOOK_AGAIN_S
from api.holding import GATHER_S
from api.waiting import LOOK_S
from tests.e2e.test_repeats import happens
from tests.naps import Naps
from tests.stage import QUESTION, Stage, accepted

PULSE_S = 15.0
LEDGER_S = 7.0
DEADLINE_S = 125.0
"""The agents' 120 seconds and the door's grace."""
GRACE_S = 5.0


class Slow(Stage):
    """A stage that nobody works on, with time held."""

    def __init__(self, **door: Any) -> None:
        super().__init__(**door)
        self.naps = Naps()
        settings = self.door.settings.model_copy(update={"keep_alive_s": PULSE_S, "ledger_timeout_s": LEDGER_S})
        self.door = replace(self.door, settings=settings, sleep=self.naps)

    async def opened(self) -> Pointer:
        await happens(lambda: self.ledger.work)
        (row,) = self.ledger.work.values()
        return row.pointer

    def row(self) -> Any:
        (row,) = self.ledger.runs.values()
        return row


class Line:
    """One request on a connection of its own, and everything that the application says on it."""

    def __init__(
        self, app: Callable[..., Awaitable[None]], body: Any, *, headers: Mapping[str, str] | None = None, **scope: Any
    ) -> None:
        self.said: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._hung_up = asyncio.Event()
        self._body = iter([{"type": "http.request", "body": orjson.dumps(body), "more_body": False}])
        said = {"content-type": "application/json", **(headers or {})}
        lines = [(name.lower().encode(), value.encode()) for name, value in said.items()]
        usual = {"type": "http", "method": "POST", "path": "/v1/responses", "query_string": b"", "headers": lines}
        self.answering = asyncio.ensure_future(app({**usual, **scope}, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if message := next(self._body, None):
            return message
        await self._hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._news:
            self.said.append(message)
            self._news.notify_all()

    def hang_up(self) -> None:
        self._hung_up.set()

    async def heard(self, messages: int) -> None:
        async with self._news:
            await self._news.wait_for(lambda: len(self.said) >= messages)

    @property
    def bytes(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.said)


@asynccontextmanager
async def calling(stage: Stage, body: Any = QUESTION) -> AsyncIterator[Line]:
    app = create_app(stage.door)
    async with app.router.lifespan_context(app):
        line = Line(app, body)
        try:
            yield line
        finally:
            line.hang_up()
            await asyncio.gather(line.answering, return_exceptions=True)


@asynccontextmanager
async def openai_client(stage: Stage) -> AsyncIterator[openai.AsyncOpenAI]:
    app = create_app(stage.door)
    async with app.router.lifespan_context(app):
        wire = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with openai.AsyncOpenAI(api_key="none", base_url="http://door.test/v1", http_client=wire) as client:
            yield client


# ------------------------------------------------------------------------------------------- white space


async def test_a_call_that_waits_long_is_sent_its_head_and_then_white_space_until_its_json() -> None:
    stage = Slow()
    async with calling(stage) as line:
        pointer = await stage.opened()
        assert line.said == []
        for pulse in (1, 2, 3):
            await stage.naps.end(PULSE_S)
            await line.heard(1 + pulse)
        assert line.said[0]["status"] == 200
        assert (b"content-type", b"application/json") in line.said[0]["headers"]
        assert line.bytes == b"   "
        await stage.end(pointer, accepted("Two years."))
        await line.answering
    assert line.said[-1].get("more_body", False) is False
    assert json.loads(line.bytes)["output"][0]["content"][0]["text"] == "Two years."


async def test_a_slow_answer_is_byte_for_byte_the_one_that_can_be_read_back() -> None:
    stage = Slow()
    async with calling(stage) as line:
        pointer = await stage.opened()
        await stage.naps.end(PULSE_S)
        await line.heard(2)
        await stage.end(pointer, accepted())
        await line.answering
        async with stage.client() as client:
            read = await client.get(f"/v1/responses/{pointer.run}")
    assert line.bytes == b" " + read.content


async def test_the_openai_client_reads_an_answer_behind_white_space() -> None:
    stage = Slow()
    async with openai_client(stage) as client:
        asking = asyncio.ensure_future(client.responses.create(model="documents", input="How long?"))
        pointer = await stage.opened()
        await stage.naps.end(PULSE_S)
        await stage.naps.end(PULSE_S)
        await stage.end(pointer, accepted("Two years."))
        answer = await asking
    assert answer.output_text == "Two years."
    assert answer._request_id


async def test_a_reply_with_the_same_head_is_not_changed_by_the_one_before() -> None:
    stage, heads = Slow(), []
    for _ in range(2):
        async with calling(stage) as line:
            pointer = await stage.opened()
            await stage.naps.end(PULSE_S)
            await line.heard(2)
            await stage.end(pointer, accepted())
            await line.answering
        heads.append([name for name, _ in line.said[0]["headers"]])
    assert heads[0] == heads[1]
    assert len(set(heads[0])) == len(heads[0])


async def test_a_slow_answer_counts_as_delivered_once_it_was_sent_whole() -> None:
    stage = Slow()
    async with calling(stage) as line:
        pointer = await stage.opened()
        await stage.naps.end(PULSE_S)
        await line.heard(2)
        await stage.end(pointer, accepted())
        await line.answering
        await stage.naps.end(GATHER_S)
        await happens(lambda: stage.row().delivered_at)
    assert stage.row().holder is None


async def test_a_client_that_hangs_up_between_two_pulses_lets_go_of_its_run() -> None:
    stage = Slow()
    async with calling(stage) as line:
        await stage.opened()
        await stage.naps.end(PULSE_S)
        await line.heard(2)
        assert stage.row().holder == "door/1"
        line.hang_up()
        await line.answering
        await stage.naps.end(GATHER_S)
        await happens(lambda: stage.row().holder is None)
    assert len(line.said) == 2
    assert stage.row().delivered_at is None
    assert len(stage.ledger.work) == 1, "the run goes on"


async def test_a_run_that_is_late_after_the_head_went_out_is_shown_as_it_stands_with_an_error() -> None:
    stage = Slow()
    async with openai_client(stage) as client:
        asking = asyncio.ensure_future(client.responses.create(model="documents", input="How long?"))
        pointer = await stage.opened()
        await stage.naps.end(PULSE_S)
        await stage.naps.begun(PULSE_S)
        await stage.naps.end(DEADLINE_S)
        answer = await asking
        polled = await client.responses.retrieve(answer.id)
    assert (answer.id, answer.status, answer.output_text) == (pointer.run, "in_progress", "")
    assert answer.error is not None
    assert answer.error.code == "server_error"
    assert "has not ended in time" in answer.error.message
    assert polled.error is None, "the run itself has not failed"


async def test_what_breaks_after_the_head_went_out_breaks_the_connection_off() -> None:
    class Forgetful(MemoryLedger):
        """Its run is gone at the second look."""

        async def view(self, run: str, project: str, /) -> RunView | None:
            return None

    ledger = Forgetful()
    stage = Slow(ledger=ledger, shelf=ledger)
    async with calling(stage) as line:
        pointer = await stage.opened()
        await stage.naps.end(PULSE_S)
        await line.heard(2)
        await stage.end(pointer, accepted())
        with pytest.raises(RuntimeError, match="already started"):
            await line.answering
    assert all(message.get("more_body", True) for message in line.said)


# ------------------------------------------------------------------------------------------- a ledger that goes away


async def test_a_waiting_call_outwaits_a_ledger_that_is_away_past_the_deadline() -> None:
    stage = Slow()
    async with calling(stage) as line:
        pointer = await stage.opened()
        stage.ledger.reachable = False
        await stage.naps.end(DEADLINE_S)
        await stage.naps.end(GRACE_S)
        await stage.naps.begun(GRACE_S)
        assert line.said == []
        stage.ledger.reachable = True
        await stage.end(pointer, accepted())
        await line.answering
    assert line.said[0]["status"] == 200


async def test_a_ledger_that_is_back_is_given_a_moment_to_end_what_is_overdue() -> None:
    stage = Slow()
    async with calling(stage) as line:
        await stage.opened()
        stage.ledger.reachable = False
        await stage.naps.end(DEADLINE_S)
        await stage.naps.begun(GRACE_S)
        stage.ledger.reachable = True
        await stage.naps.end(GRACE_S)
        await stage.naps.begun(GRACE_S)
        assert line.said == []
        await stage.naps.end(GRACE_S)
        await line.answering
    assert line.said[0]["status"] == 504


class Frozen(MemoryLedger):
    """Its first opening hangs, even when it is cancelled, and is written in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.thaw = asyncio.Event()
        self.first = True

    async def open(self, new: NewRun, /) -> str:
        self.first, first = False, self.first
        if first:
            await asyncio.wait([asyncio.ensure_future(self._written(new))])
        return await super().open(new)

    async def _written(self, new: NewRun) -> None:
        await self.thaw.wait()
        await super().open(new)


async def test_a_request_is_refused_when_the_ledger_does_not_answer_in_time_and_its_retry_is_attached() -> None:
    ledger = Frozen()
    stage = Slow(ledger=ledger, shelf=ledger)
    await stage.presence.here("door", "api", "1.0")
    async with stage.client() as client:
        asking = asyncio.ensure_future(client.post("/v1/responses", json=QUESTION))
        await stage.naps.end(LEDGER_S)
        refused = await asking
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        ledger.thaw.set()
        pointer = await stage.opened()
        assert stage.row().holder == "door/1"
        await stage.naps.end(GATHER_S)
        await happens(lambda: stage.row().holder is None)
        again = {"x-stainless-retry-count": "1"}
        retrying = asyncio.ensure_future(client.post("/v1/responses", json=QUESTION, headers=again))
        await happens(lambda: stage.row().holder == "door/2")
        await stage.end(pointer, accepted())
        reply = await retrying
    assert reply.json()["id"] == pointer.run


async def test_a_retry_looks_on_while_the_opening_before_it_may_still_come() -> None:
    ledger = Frozen()
    stage = Slow(ledger=ledger, shelf=ledger)
    await stage.presence.here("door", "api", "1.0")
    async with stage.client() as client:
        asking = asyncio.ensure_future(client.post("/v1/responses", json=QUESTION))
        await stage.naps.end(LEDGER_S)
        assert (await asking).status_code == 503
        again = {"x-stainless-retry-count": "1"}
        retrying = asyncio.ensure_future(client.post("/v1/responses", json=QUESTION, headers=again))
        for _ in range(5):
            await stage.naps.end(LOOK_AGAIN_S)
        assert stage.ledger.runs == {}
        ledger.thaw.set()
        pointer = await stage.opened()
        await stage.naps.end(GATHER_S)
        await happens(lambda: stage.row().holder is None)
        await stage.naps.end(LOOK_AGAIN_S)
        await happens(lambda: stage.row().holder == "door/2")
        await stage.end(pointer, accepted())
        assert (await retrying).json()["id"] == pointer.run


async def test_a_read_is_refused_when_the_ledger_does_not_answer_in_time() -> None:
    class Frozen(MemoryLedger):
        async def view(self, run: str, project: str, /) -> RunView | None:
            return await asyncio.Future()

    ledger = Frozen()
    stage = Slow(ledger=ledger, shelf=ledger)
    async with stage.client() as client:
        reading = asyncio.ensure_future(client.get("/v1/responses/resp_1"))
        await stage.naps.end(LEDGER_S)
        reply = await reading
    assert reply.status_code == 503


# ------------------------------------------------------------------------------------------- a doorbell that is dead


async def test_a_doorbell_that_never_answers_nor_rings_costs_one_look() -> None:
    class Deaf(Slow):
        """As over a connection whose other end is gone without a word."""

        async def register(self, run: str, /) -> None:
            await asyncio.Future()

        async def publish(self, pointer: Pointer, /) -> str:
            return await asyncio.Future()

        async def rings(self) -> Sequence[str]:
            return await asyncio.Future()

    stage = Deaf()
    async with calling(stage) as line:
        pointer = await stage.opened()
        await stage.end(pointer, accepted("Two years."))
        await stage.naps.begun(DEADLINE_S)
        assert line.said == []
        await stage.naps.end(LOOK_S)
        await line.answering
    assert json.loads(line.bytes)["status"] == "completed"


async def test_a_call_that_outlasts_the_stop_is_told_where_its_run_goes_on() -> None:
    stage = Slow()
    async with stage.client() as client:
        waiting = asyncio.create_task(client.post("/v1/responses", json=QUESTION))
        pointer = await stage.opened()
        await stage.naps.begun(PULSE_S)
        stage.door.closing.set()
        reply = await waiting
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert reply.headers["location"] == f"/v1/responses/{pointer.run}"
        assert reply.json()["error"]["code"] == "stopping"
        assert "x-should-retry" not in reply.headers
