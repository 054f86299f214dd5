"""DELETE at the door, and what becomes of responses that are not to be stored."""

from __future__ import annotations

import asyncio

import httpx
import httpx2
import openai
import pytest

from api.app import create_app
from tests.e2e.test_cancelling import UNSTORED, cancel, opened, the_run
from tests.stage import QUESTION, Stage, accepted


async def code_of(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


async def test_a_deleted_response_is_gone_at_once_and_its_text_with_the_next_sweep() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        run = (await client.post("/v1/responses", json=QUESTION)).json()["id"]
        reply = await client.delete(f"/v1/responses/{run}")
        again = await client.delete(f"/v1/responses/{run}")
        read, cancelled = await client.get(f"/v1/responses/{run}"), await cancel(client, run)
    assert (reply.status_code, reply.json()) == (200, {"id": run, "object": "response", "deleted": True})
    assert {await code_of(it) for it in (again, read, cancelled)} == {(404, "response_not_found")}
    assert await stage.privacy.purge(600, 10) == 1
    assert stage.ledger.runs[run].new.request == ""


async def test_deleting_an_open_run_cancels_it() -> None:
    stage = Stage()
    event = opened(stage)
    async with stage.client() as client:
        waiting = asyncio.create_task(client.post("/v1/responses", json=QUESTION))
        run = await the_run(stage, event)
        reply = await client.delete(f"/v1/responses/{run}")
        told = await waiting
    assert reply.json()["deleted"] is True
    assert stage.ledger.runs[run].status == "cancelled"
    assert told.status_code == 404 or told.json()["status"] == "cancelled", "it depends on when the waiter looked"


@pytest.mark.parametrize("run", ["resp_0", "nonsense"])
async def test_what_is_not_there_cannot_be_deleted(run: str) -> None:
    async with Stage().client() as client:
        assert await code_of(await client.delete(f"/v1/responses/{run}")) == (404, "response_not_found")
        asked = await client.delete(f"/v1/responses/{run}?force=true")
    assert await code_of(asked) == (400, "unknown_parameter")


async def test_the_key_of_a_deleted_response_asks_anew() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        headers = {"idempotency-key": "k"}
        first = (await client.post("/v1/responses", json=QUESTION, headers=headers)).json()["id"]
        await client.delete(f"/v1/responses/{first}")
        second = (await client.post("/v1/responses", json=QUESTION, headers=headers)).json()
    assert second["id"] != first and second["status"] == "completed"


async def test_a_response_that_is_not_stored_can_be_purged_once_its_answer_was_sent() -> None:
    stage = Stage(lambda _: accepted())
    async with stage.client() as client:
        body = (await client.post("/v1/responses", json=UNSTORED)).json()
        assert body["status"] == "completed"
    assert await stage.privacy.purge(600, 10) == 1, "the door has told that it was delivered"


async def test_the_openai_client_deletes() -> None:
    stage = Stage(lambda _: accepted())
    app = create_app(stage.door)
    async with app.router.lifespan_context(app):
        wire = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with openai.AsyncOpenAI(api_key="none", base_url="http://door.test/v1", http_client=wire) as client:
            answer = await client.responses.create(model="documents", input="How long?")
            await client.responses.delete(answer.id)
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(answer.id)
