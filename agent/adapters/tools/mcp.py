"""MCP servers over streamable HTTP: their allowed tools are looked up once, and called one session at a time."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import mcp_types as types
import orjson
import structlog
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from agent.adapters.tools.bounded import Bounded
from agent.checks.json_schema import BadSchema, JsonSchema
from agent.errors import Absent, Misconfigured
from agent.items import FunctionTool
from agent.tools import McpServer, McpTool, ToolContext, ToolError
from agent.tools.mcp import Found

log = structlog.get_logger(__name__)

AWAIT_EVERY_S = 0.5
MOST_PAGES = 20
"""Of a server's list of tools."""
MOST_DESCRIPTION = 2_000
"""Characters of what a server says about one tool."""
KEY = "cuelight/idempotency-key"
"""Where in a call's `_meta` its key stands."""


class McpFailed(Exception):
    """A server could not be talked to. The words are ours: a server's own may repeat what it was sent."""


@asynccontextmanager
async def equipped(tools: Iterable[McpTool], wait_s: float) -> AsyncIterator[None]:
    """The tools, ready to be called while the block lasts; a server that is away is waited for, `wait_s` at most.

    Raises `Misconfigured` if a server does not answer, lacks a tool, or describes one beyond the limits.
    """
    for name in ("mcp", "httpx2", "httpcore2"):  # they would log what servers say, and where requests go
        logging.getLogger(name).setLevel(logging.CRITICAL)
    servers: dict[int, list[McpTool]] = {}
    for tool in tools:
        servers.setdefault(id(tool.server), []).append(tool)
    until = time.monotonic() + wait_s
    async with AsyncExitStack() as stack:
        for mine in servers.values():
            door = await stack.enter_async_context(opened(mine[0].server))
            await _equip(door, mine, until)
        yield


@asynccontextmanager
async def opened(server: McpServer) -> AsyncIterator[Door]:
    """A door to a server, with connections of its own. Raises `Misconfigured` if a header's variable is not set."""
    headers = {header: _secret(server, header, name) for header, name in server.headers_env.items()}
    async with httpx2.AsyncClient(
        transport=Bounded(httpx2.AsyncHTTPTransport()),
        headers={**headers, "accept-encoding": "identity"},
        timeout=None,  # the limit of a try is the only clock: a second one might tell a late call as failed
        trust_env=False,
    ) as http:
        yield Door(server, http, tuple(headers.values()))


@dataclass(frozen=True, slots=True)
class Door:
    """One server. `secrets` never leave it, even where the server repeats them."""

    server: McpServer
    http: httpx2.AsyncClient
    secrets: Sequence[str]

    async def listed(self) -> dict[str, types.Tool]:
        """Every tool of the server by name. Raises `Absent`."""
        found: dict[str, types.Tool] | None = None
        try:
            async with asyncio.timeout(self.server.timeout_s), self._client() as client:
                found = await _listed(client)
        except Exception as error:
            if found is None:  # with the list in hand it does not matter how the session ended
                raise Absent(f"MCP server {self.server.name!r} does not answer ({_why(error)})") from None
        return found

    async def call(self, remote: str, arguments: dict[str, Any], context: ToolContext) -> str:
        """What a call brought. Raises `ToolError` with the server's words, `McpFailed` with ours."""
        params = types.CallToolRequestParams(name=remote, arguments=arguments, _meta={KEY: context.key})
        refused: MCPError | None = None
        result: types.CallToolResult | None = None
        try:
            async with self._client() as client:
                try:
                    # Not `call_tool`: it would check results by schemas of the server's, whose patterns have no limits.
                    request = types.CallToolRequest(params=params)
                    result = await client.session.send_request(request, types.CallToolResult)
                except MCPError as error:
                    refused = error
        except asyncio.CancelledError:
            if result is None:  # what was done is told, though its time ran out while the session ended
                raise
        except Exception as error:
            if result is None:  # with a result in hand it does not matter how the session ended
                raise McpFailed(_why(error)) from None
        if result is None:
            if refused is not None and refused.code == types.INVALID_PARAMS:
                raise ToolError(self.clean(refused.message))
            raise McpFailed(_why(refused))
        text = self.clean(_text(result))
        if result.is_error:
            raise ToolError(text)
        return text

    def clean(self, text: str) -> str:
        """Text without the values of the headers."""
        for secret in self.secrets:
            for word in (secret, secret.rpartition(" ")[2]):  # also a token alone, without its `Bearer`
                text = text.replace(word, "[removed]")
        return text

    def _client(self) -> Client:
        return Client(streamable_http_client(self.server.url, http_client=self.http), cache=None)


async def _listed(client: Client) -> dict[str, types.Tool]:
    found: dict[str, types.Tool] = {}
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found |= {tool.name: tool for tool in page.tools}
        if not (cursor := page.next_cursor):
            break
    return found


async def _equip(door: Door, tools: Sequence[McpTool], until: float) -> None:
    listed = await _awaited(door, until)
    for tool in tools:
        if (said := listed.get(tool.remote)) is None:
            raise Misconfigured(f"MCP server {tool.server.name!r} has no tool {tool.remote!r}; correct its allow=(...)")
        tool.line.found = _found(door, tool, said)


async def _awaited(door: Door, until: float) -> dict[str, types.Tool]:
    while True:
        try:
            return await door.listed()
        except Absent as error:
            if time.monotonic() >= until:
                raise
            log.warning("mcp_server_awaited", error=str(error))
            await asyncio.sleep(AWAIT_EVERY_S)


def _found(door: Door, tool: McpTool, said: types.Tool) -> Found:
    try:
        text = door.clean(orjson.dumps(said.input_schema, option=orjson.OPT_SORT_KEYS).decode())
        schema = JsonSchema(text)
    except (BadSchema, orjson.JSONEncodeError, orjson.JSONDecodeError) as error:
        reason = f"MCP server {tool.server.name!r}: the input schema of its tool {tool.remote!r} cannot be used"
        raise Misconfigured(f"{reason} ({str(error)[:200]})") from None
    description = door.clean(said.description or said.title or "")[:MOST_DESCRIPTION]

    async def call(arguments: dict[str, Any], context: ToolContext) -> str:
        return await door.call(tool.remote, arguments, context)

    return Found(FunctionTool(name=tool.name, description=description, parameters=text), schema, call)


def _text(result: types.CallToolResult) -> str:
    """The texts of a result; what else it holds is named in brackets."""
    if not result.content and result.structured_content is not None:
        # Not orjson: strangers' numbers may have more than 64 bits.
        return json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))
    return "\n".join(it.text if isinstance(it, types.TextContent) else f"[{it.type}]" for it in result.content)


def _secret(server: McpServer, header: str, name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value or not value.isascii() or not value.isprintable():
        raise Misconfigured(
            f"MCP server {server.name!r}: the variable {name!r} holds no value for its header {header!r}"
        )
    return value


def _why(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"error {error.code}" if isinstance(error, MCPError) else type(error).__name__
