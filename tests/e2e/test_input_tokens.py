"""How long a request is, before it is sent: an estimate, and no run."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from api.app import create_app
from tests.stage import Stage, accepted

TOOL: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
FORM: Any = {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object", "title": "x" * 400}}}


async def test_the_openai_client_is_told_an_estimate_that_grows_with_all_that_is_sent() -> None:
    stage = Stage(lambda _: accepted("word " * 200))
    app = create_app(stage.door)
    async with app.router.lifespan_context(app):
        wire = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with openai.AsyncOpenAI(api_key="none", base_url="http://door.test/v1", http_client=wire) as client:
            count = client.responses.input_tokens.count
            plain = await count(model="chat", input="word " * 100)
            assert plain.object == "response.input_tokens"
            assert 100 <= plain.input_tokens <= 160
            chinese = await count(model="chat", input="灯" * 100)
            assert 50 <= chinese.input_tokens <= 120
            for more in ({"instructions": "word " * 50}, {"tools": [TOOL]}, {"text": FORM}):
                longer = await count(model="chat", input="word " * 100, **more)
                assert longer.input_tokens > plain.input_tokens
            assert not stage.ledger.runs, "nothing is opened"
            first = await client.responses.create(model="chat", input="hello")
            after = await count(model="chat", input="word " * 100, previous_response_id=first.id)
            assert after.input_tokens > plain.input_tokens + 200
            assert len(stage.ledger.runs) == 1


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "chat"}, 400, "input"),
        ({"model": "nobody", "input": "hello"}, 404, "model"),
        ({"model": "chat", "input": "hello", "previous_response_id": "resp_0"}, 400, "previous_response_id"),
        ({"model": "chat", "input": "hello", "tools": [{"type": "function"}]}, 400, "tools[0].name"),
        ({"model": "chat", "input": "hello", "conversation": "conv_1"}, 400, "conversation"),
    ],
)
async def test_what_would_be_refused_is_refused_here_too(body: Any, status: int, param: str) -> None:
    async with Stage().client() as client:
        reply = await client.post("/v1/responses/input_tokens", json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)
