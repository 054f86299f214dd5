"""Cancelling at the door: by a call, and by hanging up."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import httpx2
import openai
import orjson
import pytest

from agent.ports import Pointer
from api.app import create_app
from api.cancelling import AGAIN_S, Cancelling
from tests.contract.toys import new_run
from tests.stage import QUESTION, Stage, accepted

UNSTORED = QUESTION | {"store": False}


def opened(stage: Stage) -> asyncio.Event:
    """Set once a run has been published."""
    event, publish = asyncio.Event(), stage.publish

    async def told(pointer: Pointer, /) -> str:
        entry = await publish(pointer)
        event.set()
        return entry

    stage.publish = told  # type: ignore[method-assign]
    return event


async def the_run(stage: Stage, event: asyncio.Event) -> str:
    await event.wait()
    return str(list(stage.ledger.runs)[-1])


async def cancel(client: httpx.AsyncClient, run: str) -> httpx.Response:
    return await client.post(f"/v1/responses/{run}/cancel")


async def test_an_open_run_is_cancelled_and_whoever_waits_is_told() -> None:
    stage = Stage()
    event = opened(stage)
    async with stage.client() as client:
        waiting = asyncio.create_task(client.post("/v1/responses", json=QUESTION))
        run = await the_run(stage, event)
        reply = await cancel(client, run)
        told = await waiting
        stored = await client.get(f"/v1/responses/{run}")
    body = reply.json()
    assert (reply.status_code, body["id"], body["status"]) == (200, run, "cancelled")
    assert (body["output"], body["error"], body["incomplete_details"]) == ([], None, None)
    assert body["completed_at"] is None
    assert told.json() == body == stored.json()


async def test_cancelling_twice_gives_the_same_response() -> None:
    stage = Stage()
    event = opened(stage)
    async with stage.client() as client:
        waiting = asyncio.create_task(client.post("/v1/responses", json=UNSTORED))
        run = await the_run(stage, event)
        first, second = await cancel(client, run), await cancel(client, run)
        await waiting
    assert first.status_code == second.status_code == 200
    assert first.content == second.content


async def test_what_has_ended_cannot_be_cancelled_and_clients_do_not_try_again() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        run = (await client.post("/v1/responses", json=QUESTION)).json()["id"]
        reply = await cancel(client, run)
        stored = (await client.get(f"/v1/responses/{run}")).json()
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (409, "response_already_ended", "id")
    assert reply.headers["x-should-retry"] == "false"
    assert stored["status"] == "completed"


async def test_an_unknown_response_or_one_that_was_not_stored_cannot_be_cancelled() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        run = (await client.post("/v1/responses", json=UNSTORED)).json()["id"]
        codes = [(await cancel(client, it)).json()["error"]["code"] for it in (run, "resp_0", "nonsense")]
        unknown = await client.post("/v1/responses/resp_0/cancel?now=true")
    assert codes == ["response_not_found"] * 3
    assert unknown.json()["error"]["code"] == "unknown_parameter"


async def test_the_openai_client_cancels() -> None:
    stage = Stage()
    event = opened(stage)
    app = create_app(stage.door)
    async with app.router.lifespan_context(app):
        wire = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with openai.AsyncOpenAI(api_key="none", base_url="http://door.test/v1", http_client=wire) as client:
            waiting = asyncio.create_task(client.responses.create(model="documents", input="How long?"))
            cancelled = await client.responses.cancel(await the_run(stage, event))
            told = await waiting
    assert cancelled.status == told.status == "cancelled"


async def hang_up(stage: Stage, body: dict[str, Any], headers: dict[str, str], when: asyncio.Event) -> None:
    """Ask, and close the connection at a moment."""
    app = create_app(stage.door)
    sent = iter([{"type": "http.request", "body": orjson.dumps(body), "more_body": False}])

    async def receive() -> dict[str, Any]:
        if message := next(sent, None):
            return message
        await when.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None: ...

    told = [(name.encode(), value.encode()) for name, value in ({"content-type": "application/json"} | headers).items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/responses", "query_string": b"", "headers": told}
    async with app.router.lifespan_context(app):
        await app(scope, receive, send)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (UNSTORED, {}, "cancelled"),
        (UNSTORED, {"idempotency-key": "k"}, "in_progress"),
        (QUESTION, {}, "in_progress"),
    ],
    ids=["of-no-use-to-anybody", "can-be-asked-for-again", "can-be-read-later"],
)
async def test_hanging_up_cancels_what_nobody_can_have_any_more(
    body: dict[str, Any], headers: dict[str, str], status: str
) -> None:
    stage = Stage()
    await hang_up(stage, body, headers, opened(stage))
    (row,) = stage.ledger.runs.values()
    assert row.status == status
    assert row.cancelled_by == ("disconnect" if status == "cancelled" else None)


async def test_a_hang_up_is_told_until_the_ledger_is_back() -> None:
    stage = Stage(sleep=lambda seconds: asyncio.sleep(0 if seconds == AGAIN_S else seconds))
    cancelling = Cancelling(stage.door)
    async with cancelling.running():
        await stage.ledger.open(new_run())
        stage.ledger.reachable = False
        cancelling.hung_up("resp_1", "default")
        for _ in range(20):
            await asyncio.sleep(0)
        assert stage.ledger.runs["resp_1"].status == "in_progress"
        stage.ledger.reachable = True
        for _ in range(40):
            await asyncio.sleep(0)
        assert stage.ledger.runs["resp_1"].cancelled_by == "disconnect", "the loop itself told it"


async def test_a_door_that_closes_tells_of_hang_ups_first() -> None:
    stage = Stage()
    cancelling = Cancelling(stage.door)
    async with cancelling.running():
        await stage.ledger.open(new_run())
        cancelling.hung_up("resp_1", "default")
    assert stage.ledger.runs["resp_1"].cancelled_by == "disconnect"
