"""Tools of an MCP server through the whole chain: real engines, a worker that asks the server, an API that does not."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from agent import Agent
from agent.errors import Misconfigured
from tests.e2e.house import Open
from tests.unit.test_mcp import TOKEN, running


def calls(name: str) -> dict[str, Any]:
    return {"times": 1, "tool_calls": [{"id": name, "function": {"name": name, "arguments": {"order_id": "hostile"}}}]}


async def test_a_client_gets_one_answer_and_the_server_only_what_is_allowed(
    house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    async with running() as shop:
        company: Any = ModuleType("mcp_company")
        secret = {"Authorization": "SHOP_TOKEN"}
        company.buyer = Agent(name="buyer", prompt="chat", tools=(shop.server(headers_env=secret),))
        company.lost = Agent(name="lost", prompt="chat", tools=(shop.server(("vanish",)),))
        monkeypatch.setitem(sys.modules, "mcp_company", company)
        lines = (calls("shop_burn_down"), calls("shop_look_up"), {"answer": "It was sent."})
        async with house(*lines, agent="mcp_company:buyer") as it, it.door() as http:
            async with it.worker():
                body = (await http.post("/v1/responses", json={"model": "buyer", "input": "Where is it?"})).json()
            assert (body["status"], body["output"][0]["content"][0]["text"]) == ("completed", "It was sent.")
            assert shop.called == ["look.up hostile"]
            log = await it.model.log()
            assert [tool["function"]["name"] for tool in log[0]["body"]["tools"]] == ["shop_look_up"]
            assert log[-1]["body"]["messages"][-1]["content"].startswith("<<<tool_result ")

            clash = {"type": "function", "name": "shop_look_up", "parameters": None}
            reply = await http.post("/v1/responses", json={"model": "buyer", "input": "?", "tools": [clash]})
            assert (reply.status_code, reply.json()["error"]["param"]) == (400, "tools[0].name")
            rows = await it.pool.fetch("select data::text as data from events")
            assert rows and not any("s3cret" in row["data"] for row in rows)
            with pytest.raises(Misconfigured, match="has no tool 'vanish'"):
                async with it.worker(agent=("mcp_company:lost",), start_wait_s=0.0):
                    pass
