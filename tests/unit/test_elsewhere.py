"""What OpenAI's API has and this service does not is refused by its name."""

from __future__ import annotations

import pytest

from tests.stage import Stage

SOCKET = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "aGk="}


@pytest.mark.parametrize(
    ("method", "path", "headers", "name"),
    [
        ("POST", "/v1/responses/compact", {}, "/v1/responses/compact"),
        ("POST", "/v1/conversations", {}, "/v1/conversations"),
        ("GET", "/v1/conversations/conv_1/items", {}, "/v1/conversations"),
        ("DELETE", "/v1/conversations/conv_1", {}, "/v1/conversations"),
        ("GET", "/v1/responses", SOCKET, "A WebSocket at /v1/responses"),
    ],
)
async def test_a_call_that_is_not_offered_is_refused_by_name_with_what_to_do_instead(
    method: str, path: str, headers: dict[str, str], name: str
) -> None:
    async with Stage().client() as http:
        reply = await http.request(method, path, headers=headers)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["type"]) == (404, "unsupported_endpoint", "not_found")
    assert error["message"].startswith(f"{name} is not supported yet; ")
    assert reply.headers["x-should-retry"] == "false"


async def test_a_list_of_responses_is_no_call_at_all() -> None:
    async with Stage().client() as http:
        reply = await http.get("/v1/responses")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
