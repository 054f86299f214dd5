"""What a response was asked with can be read back, page by page."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from api.app import create_app
from tests.stage import QUESTION, Stage, accepted

TURNS: list[Any] = [
    *({"role": "user" if n % 2 == 0 else "assistant", "content": f"turn {n}"} for n in range(24)),
    {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "found"},
    {"role": "user", "content": [{"type": "input_text", "text": "turn 26"}]},
]


def texts(items: list[dict[str, Any]]) -> list[str]:
    return [item["content"][0]["text"] if item["type"] == "message" else item["type"] for item in items]


async def test_the_openai_client_walks_all_items_in_both_orders() -> None:
    app = create_app(Stage(lambda _: accepted()).door)
    async with app.router.lifespan_context(app):
        wire = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with openai.AsyncOpenAI(api_key="none", base_url="http://door.test/v1", http_client=wire) as client:
            answer = await client.responses.create(model="chat", input=TURNS)
            newest = [item async for item in client.responses.input_items.list(answer.id)]
            items = client.responses.input_items.list(
                answer.id, limit=2, order="asc", include=["file_search_call.results"]
            )
            with pytest.raises(openai.BadRequestError):
                await items
            oldest = [item async for item in client.responses.input_items.list(answer.id, limit=2, order="asc")]
    assert len(newest) == 27
    assert [item.id for item in oldest] == [item.id for item in reversed(newest)]
    assert len({item.id for item in newest}) == 27
    assert [item.type for item in newest[:3]] == ["message", "function_call_output", "function_call"]


async def test_pages_are_cut_where_they_were_asked_to_be() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        answer = (await client.post("/v1/responses", json={"model": "chat", "input": TURNS})).json()
        path = f"/v1/responses/{answer['id']}/input_items"
        page = (await client.get(path)).json()
        assert (page["object"], len(page["data"]), page["has_more"]) == ("list", 20, True)
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
        assert texts(page["data"])[:4] == ["turn 26", "function_call_output", "function_call", "turn 23"]
        rest = (
            await client.get(path, params={"after": page["last_id"], "include[]": "message.input_image.image_url"})
        ).json()
        assert (texts(rest["data"])[-1], len(rest["data"]), rest["has_more"]) == ("turn 0", 7, False)
        first = (await client.get(path, params={"order": "asc", "limit": 1})).json()
        third = rest["data"][-3]["id"]
        between = (await client.get(path, params={"order": "asc", "after": first["last_id"], "before": third})).json()
        assert texts(between["data"]) == ["turn 1"]
        again = (await client.get(path)).json()
        assert again == page, "items keep their ids"


async def test_items_of_a_string_are_one_message() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        answer = (await client.post("/v1/responses", json=QUESTION)).json()
        page = (await client.get(f"/v1/responses/{answer['id']}/input_items")).json()
    (item,) = page["data"]
    assert (item["type"], item["role"], item["status"]) == ("message", "user", "completed")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "msg_1"}, "after"),
        ({"before": "msg_1"}, "before"),
        ({"page": "2"}, "page"),
        ({"include[]": "everything"}, "include[]"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(query: dict[str, str], param: str) -> None:
    async with Stage(lambda _: accepted()).client() as client:
        answer = (await client.post("/v1/responses", json=QUESTION)).json()
        reply = await client.get(f"/v1/responses/{answer['id']}/input_items", params=query)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_the_input_of_what_is_not_stored_or_deleted_cannot_be_read() -> None:
    async with Stage(lambda _: accepted()).client() as client:
        unstored = (await client.post("/v1/responses", json={**QUESTION, "store": False})).json()
        deleted = (await client.post("/v1/responses", json=QUESTION)).json()
        await client.delete(f"/v1/responses/{deleted['id']}")
        for run in (unstored["id"], deleted["id"], "resp_0"):
            reply = await client.get(f"/v1/responses/{run}/input_items")
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "response_not_found")
